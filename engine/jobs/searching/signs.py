"""Which commands are at work on a record: each gives a sign of life while it is.

A sign is a count that goes up. Whoever looks twice and finds it where it was knows, by its own
stopwatch, for how long its owner has been silent: the clocks of two machines need not agree, and it
is the same in a file, a journal and a database.
"""

import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from optuna.storages import BaseStorage

from engine.jobs.searching.storage import FAILURES

log = logging.getLogger("tandem.search")

EVERY_SECONDS = 2.0  # a sign is given
PATIENCE_SECONDS = 20.0  # of silence, and a command counts as dead

_KEY = "command "


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sign as it was when it last changed; `sure` if it was seen to change."""

    count: int
    since: float
    sure: bool


class Signs:
    """The signs of all commands on the record of one search.

    Attributes
    ----------
    own : the name of this command, which no other has
    """

    def __init__(self, storage: BaseStorage, study: int) -> None:
        self._storage, self._study = storage, study
        self._seen: dict[str, _Seen] = {}
        self.own = secrets.token_hex(8)

    @contextmanager
    def given(self) -> Iterator[None]:
        """Give signs for the length of the block."""
        self._give(0)
        ended = Event()
        giving = Thread(target=self._keep_giving, args=(ended,), daemon=True)
        giving.start()
        try:
            yield
        finally:
            ended.set()
            giving.join()
            with suppress(*FAILURES):  # the block's own error is the one to tell
                self._give(None)

    def living(self) -> Mapping[str, bool]:
        """Return the other commands that may be at work, and of each whether it surely is."""
        now, found = time.monotonic(), {}
        for key, count in self._storage.get_study_user_attrs(self._study).items():
            command = key.removeprefix(_KEY)
            if command in {key, self.own} or count is None:
                continue
            last = self._seen.get(command)
            if last is None or last.count != count:
                self._seen[command] = last = _Seen(count, now, sure=last is not None)
            if now - last.since < PATIENCE_SECONDS:
                found[command] = last.sure
        return found

    def _keep_giving(self, ended: Event) -> None:
        count = 0
        while not ended.wait(EVERY_SECONDS):
            count += 1
            try:
                self._give(count)
            except FAILURES as error:  # the search itself will tell, if it stays so
                log.debug("no sign of life could be given: %s", error)

    def _give(self, count: int | None) -> None:
        self._storage.set_study_user_attr(self._study, f"{_KEY}{self.own}", count)
