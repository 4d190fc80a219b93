"""Look whether everything is there that Tandem needs; say what is not, and what to do about it.

Meant for installations that do not work: up to its own lines it needs nothing but Python, and
whatever is missing is a line of its answer.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.jobs.diagnosing import exchange, installation, kept, machine
from engine.jobs.diagnosing.finding import Asked, Finding, State
from engine.jobs.flag_parser import FlagParser

EXAMPLES = """\
examples:
  python -m engine.jobs.doctor
  python -m engine.jobs.doctor --exchange kraken --store data --model models/mine
  python -m engine.jobs.doctor --config examples/custom_member.toml --model models/seven
  python -m engine.jobs.doctor --json

exit codes: 0 if nothing fails, warnings or not; 1 if something does; 2 wrong usage
"""

Check = Callable[[Asked], Iterator[Finding]]
CHECKS: Sequence[Check] = (
    installation.python,
    installation.packages,
    installation.libraries,
    installation.compilation,
    machine.folders,
    kept.store,
    kept.bundle,
    exchange.exchange,
    machine.disk,
    machine.port,
    machine.browser,
)


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = FlagParser(
        prog="python -m engine.jobs.doctor",
        usage="%(prog)s [flags]",
        description=(__doc__ or "").partition("\n\n")[0],
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--exchange", metavar="ID", default="binance", help="to ask; default: binance"
    )
    parser.add_argument("--base-url", metavar="URL", help="ask this address instead: a mirror")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", default=Path("data"), help="default: data"
    )
    parser.add_argument("--model", type=Path, metavar="PATH", help="folder of the bundle")
    parser.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="names the bundle's members of your own"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs"), help="default: runs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    return parser


def examine(asked: Asked, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Yield what every check finds, each as soon as it is known."""
    for check in checks:
        name = check.__name__
        try:
            yield from check(asked)
        except ImportError as error:
            found = f"cannot be looked at: {error}"
            yield Finding(name, State.FAIL, found, f"install what is missing: {installation.AGAIN}")
        except Exception as error:  # noqa: BLE001  a doctor that fails with the patient helps nobody
            found = f"the look itself failed: {type(error).__name__}: {error}"
            yield Finding(name, State.FAIL, found, "see the packages above; else tell us")


def text_of(finding: Finding) -> str:
    """Return the finding as a line, its remedy on a second one."""
    first = f"{finding.state.value:4}  {finding.check:<12} {finding.found}"
    return first if not finding.remedy else f"{first}\n{'':19}-> {finding.remedy}"


def summary_of(findings: Sequence[Finding]) -> str:
    """Return how many fail and warn."""
    counts = {state: sum(each.state is state for each in findings) for state in State}
    if not counts[State.FAIL] and not counts[State.WARN]:
        return "everything works"
    verb = "works" if not counts[State.FAIL] else "does not work"
    return f"Tandem {verb}: {counts[State.FAIL]} to mend, {counts[State.WARN]} to know of"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    asked = Asked(
        args.exchange, args.base_url, args.store, args.model, args.out, config=args.config
    )
    try:
        return _told(asked, as_json=args.json)
    except KeyboardInterrupt:
        sys.stderr.write("doctor: stopped\n")
        return 130
    except OSError as error:
        # Nobody takes the answer. What is left of it would fail again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write(f"doctor: the answer cannot be written: {error.strerror}\n")
        return 1


def _told(asked: Asked, *, as_json: bool) -> int:
    """Say what is found, lines as soon as they are known, and return the exit code."""
    findings = []
    for finding in examine(asked):
        findings.append(finding)
        if not as_json:
            _say(text_of(finding))
    passed = all(finding.state is not State.FAIL for finding in findings)
    if as_json:
        said = {"passed": passed, "findings": [finding.to_json() for finding in findings]}
        _say(json.dumps(said, indent=2))
    else:
        _say(f"\n{summary_of(findings)}")
    return 0 if passed else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
