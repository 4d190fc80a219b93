"""Downloads: what the store lacks is fetched, and kept whatever ends it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd

from feeds.errors import ExchangeError, StoreError
from feeds.pages import Answer, Pages, Source
from feeds.progress import progress
from feeds.spans import Span, moment_text
from feeds.store import Listing, Store

log = logging.getLogger("tandem.feeds")

CHECKPOINT_PAGES = 50  # a killed download loses no more than so many


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download did: the closed part of what was asked for, and how many bars were new."""

    listing: Listing
    span: Span
    bars: int


def download(
    source: Source,
    store: Store,
    listing: Listing,
    span: Span,
    *,
    checkpoint_pages: int = CHECKPOINT_PAGES,
) -> Downloaded:
    """Bring the closed bars of `span` into the store, those that it does not cover yet.

    Whatever ends it early, what was downloaded by then is kept, and the next download goes on
    there.

    Raises
    ------
    ExchangeError
        if the source does not answer properly, or nothing of the span has closed yet
    StoreError
        if the store cannot be read or written
    """
    span = _closed(source, listing, span)
    missing = store.missing(listing, span)
    if not missing:
        return Downloaded(listing, span, 0)
    store.refuse_unwritable(listing)
    total = sum(part.bars(listing.timeframe) for part in missing)
    new = 0
    with progress(f"downloading {listing}", total=total, unit="bars") as advance:
        for part in missing:
            catch = _Catch(store, listing)
            pages = Pages(source, listing, part, store.last_bar(listing, before=part.start))
            with catch.kept_on_the_way_out():
                for answer in pages.answers():
                    catch.answers.append(answer)
                    new += len(answer.rows)
                    advance((answer.reach - answer.since) // listing.timeframe.ms)
                    if len(catch.answers) >= checkpoint_pages:
                        catch.save()
    return Downloaded(listing, span, new)


@dataclass(slots=True)
class _Catch:
    """Answers that are not in the store yet; each begins where the one before ends."""

    store: Store
    listing: Listing
    answers: list[Answer] = field(default_factory=list)  # changed in one step: Ctrl-C may come

    def save(self) -> None:
        """Bring them into the store."""
        if self.answers:
            rows = pd.concat([answer.rows for answer in self.answers], ignore_index=True)
            span = Span(self.answers[0].since, self.answers[-1].reach)
            self.store.add(self.listing, rows, span)
        self.answers = []

    @contextmanager
    def kept_on_the_way_out(self) -> Iterator[None]:
        """Save at the end of the block, whatever ends it."""
        try:
            yield
            self.save()
        except StoreError:
            raise
        except BaseException:  # Ctrl-C, too
            self._save_if_possible()
            raise

    def _save_if_possible(self) -> None:
        try:
            self.save()
        except StoreError as error:
            log.error("what was downloaded last is lost: %s", error)  # noqa: TRY400  one line


def _closed(source: Source, listing: Listing, span: Span) -> Span:
    """Return the part of the span whose bars have closed."""
    closed = Span(span.start, min(span.end, source.closed_until(listing.timeframe)))
    if closed.start >= closed.end:
        raise ExchangeError(
            f"{listing}: a download must begin before the last bar closed at "
            f"{moment_text(closed.end)}, found {moment_text(span.start)}; begin earlier"
        )
    return closed
