"""A room with a strategy of one's own, and the words that commands are given in it."""

from dataclasses import dataclass
from pathlib import Path

UNTIL = "2022-02-10"  # where its training ends and its run begins
RUN = ("--start-date", UNTIL, "--end-date", "2022-02-20")


@dataclass(frozen=True, slots=True)
class Own:
    """A room with the example in it, bars, and a bundle that learned from its candidates."""

    path: Path
    bars: Path

    @property
    def file(self) -> Path:
        return self.path / "my_strategy.py"

    @property
    def strategy(self) -> str:
        return f"{self.file}:MyStrategy"

    @property
    def bundle(self) -> Path:
        return self.path / "mine"

    @property
    def config(self) -> Path:
        return self.path / "few.toml"

    def words(self, *more: object) -> list[str]:
        words = ["--data", self.bars, *RUN, "--config", self.config, "--strategy", self.strategy]
        return [*map(str, words), *map(str, more)]
