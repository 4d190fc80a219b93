"""What the doctor is asked, and what a look finds. Needs nothing but Python itself."""

from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]  # where requirements.lock and pyproject.toml lie


class State(Enum):
    """Whether something works.

    A warning is what does without: nothing but what it names is hindered by it.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes
    ----------
    check : what was looked at, in a word or two
    found : what is there
    remedy : what to do about it; empty where all is well
    """

    check: str
    state: State
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the finding in JSON's own types."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True)
class Asked:
    """Where the doctor is to look.

    Attributes
    ----------
    exchange : as ccxt names it
    base_url : asked instead of the exchange's own address
    model : folder of the bundle; None for the usual one, which may be missing
    out : where runs are kept
    root : of the repository
    config : of the commands: it names the members of one's own
    """

    exchange: str
    base_url: str | None
    store: Path
    model: Path | None
    out: Path
    root: Path = ROOT
    config: Path | None = None
