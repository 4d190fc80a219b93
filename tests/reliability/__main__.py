"""Write `docs/reliability.md`: python -m tests.reliability > docs/reliability.md (10 minutes)."""

import logging
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tests.reliability.cases import CASES
from tests.reliability.table import TRIES, Bench, Pace, Row, table
from tests.world import make_world

PACE = Pace()
TEXT = f"""\
# Faults, counted

Each row below is something that goes wrong while a paper session trades. It was made to happen
{len(TRIES)} times, at different bars of different recordings and at different moments of those
bars, and each session was compared with an undisturbed one of the same recording.

**How.** The session is the one that `run_paper.py` runs: the unmodified ccxt client, the live feed,
the strategy, the paper account and its state on disk. Its exchange is the stand-in on loopback
(`feeds/standin/`), which replays two symbols and breaks what the row says. {PACE.live} bars are
traded, in {PACE.bar_seconds:g} s of real time each: bars of a minute at 60 times their speed, bars
of five minutes at 300 times in the rows with ML. The settings are eager, so that nearly every bar
is decided on and much is bought and sold; the rows with ML serve a small bundle of the tests on
bars that it has not seen. `--confirm always`, the default.

**Bars lost** are bars that the session's state does not have, or has otherwise than the exchange's
last word on them when they were handed over. **Decisions changed** are decisions that only one of
the two sessions made, or that differ in score or outcome; fills were compared in the same way, by
time, price, units and reason, and none differs. After an outage that is longer than a bar,
decisions are late: their entries are **missed** and journalled so, hence positions differ from then
on, and only what was decided before and the scores after it are compared. Where a symbol is halted
its own decisions are left out, and bars are those that the exchange then had. **What the user
sees** is what the feed counts in `--status` and on the dashboard in most tries, beyond the
undisturbed session; `REST: HTTP 200 OK` is an answer that was none.

**Not covered here.** An exchange's own machines, TLS, proxies, and days of running. Trades: these
recordings have none, so fills are priced by bars. `--confirm doubt` believes a stream that nothing
speaks against, and so would take a bar whose last push was lost as it stood before.

A try counts only where the machine followed: if a thread that merely naps woke up late by more
than a quarter of a bar, or a decision took or waited as long, it is repeated at half the pace.

**Processes** have tests of their own (`tests/survival/`): `kill -9` at 200 random moments of four
rehearsals with ML on, through the command line, each compared with the same bars lived through in
one process that sends its orders when the killed session did: 0 bars lost, 0 decisions, orders,
fills or values changed. Besides: 40 kills while a session recovers, full disks, read-only and
damaged states, a second process, SIGTERM and SIGINT; `python -m tests.survival` prints them as a
table. **A day of 100 symbols** is in [performance](performance.md#live).

This page is written by `python -m tests.reliability > docs/reliability.md`; `make test` tries some
of the cases once, `make test-slow` all of them {len(TRIES)} times.
"""


def main() -> None:
    """Print the page, line by line as it is found."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(PACE, make_world(Path(folder)), Path(folder))
        faults = table(told(bench.rows([(case, TRIES) for case in CASES])))
        for line in chain([TEXT.rstrip()], faults):
            sys.stdout.write(f"{line}\n")
    sys.stderr.write(f"{bench.repeated} sessions were repeated more slowly\n")


def told(rows: Iterable[Row]) -> Iterator[Row]:
    """Pass the rows on, and say on stderr what was lost or changed."""
    for row in rows:
        harm = [text for cost in row.costs for text in cost.details]
        missed = 0 if row.case.outage else row.total("entries_missed")
        sys.stderr.write(f"{row.case.group}: {row.case.name}: {harm or 'no harm'}, {missed=}\n")
        yield row


if __name__ == "__main__":
    main()
