"""Pages: what is believed of them is the truth, whatever happens on the way."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import FloatArray
from feeds.download import download
from feeds.errors import BadBarsError, ExchangeError, UnreachableError
from feeds.spans import Span
from feeds.store import Store
from tests.feeds.sources import (
    HOLES,
    LISTING,
    STEP,
    Recorded,
    Trouble,
    assert_all_held_is_true,
    assert_complete,
    held_rows,
    market,
    span_of_bars,
)


def troubled(rng: np.random.Generator, probability: float) -> Trouble:
    """Return a trouble for pages: they come empty, cut, with rows missing, twice or in disorder."""

    def trouble(page: FloatArray) -> FloatArray:
        if len(page) < 3 or rng.random() >= probability:
            return page
        cut, kept = sorted(rng.integers(1, len(page), 2))
        forms = (page[:0], page[:cut], np.delete(page, slice(cut, kept), 0), page[::-1],
                 np.concatenate([page, page[cut:kept]]))  # fmt: skip
        return forms[rng.integers(len(forms))]

    return trouble


@pytest.mark.parametrize("windowed", [False, True], ids=["next bars", "windows"])
@given(
    seed=st.integers(0, 10**6),
    gaps=st.lists(st.sampled_from([0, 0, 0, 0, 1, 4, 19, 21, 100]), max_size=40),
    before=st.integers(0, 60),
    after=st.integers(0, 60),
)
@settings(max_examples=20)
def test_sources_that_answer_with_windows_or_with_the_next_bars_give_the_same(
    windowed: bool,
    seed: int,
    gaps: list[int],
    before: int,
    after: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Also where bars begin later than what is asked for, and end earlier."""
    bars, store = market(60, gaps, seed), Store(tmp_path_factory.mktemp("store"))
    start, end = span_of_bars(bars)
    span = Span(start - before * STEP, end + after * STEP)
    trouble = troubled(np.random.default_rng(seed), 0.1)
    source = Recorded(bars, windowed=windowed, trouble=trouble, until=span.end)
    try:
        download(source, store, LISTING, span)
    except UnreachableError:
        source.trouble = troubled(np.random.default_rng(0), 0.0)
        download(source, store, LISTING, span)
    assert store.covered(LISTING) == (span,)
    assert_all_held_is_true(store, bars)
    assert_complete(store, bars)


@pytest.mark.parametrize("windowed", [False, True], ids=["next bars", "windows"])
@pytest.mark.parametrize("first_page", range(5))
def test_an_outage_of_empty_answers_leaves_no_hole(
    windowed: bool, first_page: int, tmp_path: Path
) -> None:
    """Many empty answers in a row, as of an exchange that is down and says so with `[]`."""
    bars, store, pages = market(70, HOLES), Store(tmp_path), count()
    down = range(first_page, first_page + 6)
    source = Recorded(bars, windowed=windowed)
    source.trouble = lambda page: page[:0] if next(pages) in down else page
    download(source, store, LISTING, span_of_bars(bars))
    assert_complete(store, bars)


def test_a_page_that_is_empty_twice_is_asked_for_once_more(tmp_path: Path) -> None:
    """Behind a hole so long that the last bar before cannot be shown with what follows it."""
    bars, store = market(60, [*[0] * 19, 25]), Store(tmp_path)
    behind = span_of_bars(bars).start + 40 * STEP
    source = Recorded(bars, windowed=True)

    def empty_twice(page: FloatArray) -> FloatArray:
        asked = source.asked
        return page[:0] if asked[-1] == behind and asked.count(behind) <= 2 else page

    source.trouble = empty_twice
    download(source, store, LISTING, span_of_bars(bars))
    assert_complete(store, bars)


def test_a_source_without_any_bars_is_not_believed(tmp_path: Path) -> None:
    bars, store = market(70), Store(tmp_path)
    source = Recorded(bars, trouble=lambda page: page[:0])
    with pytest.raises(ExchangeError, match=r"shows no bars from 2024-01-01 00:00Z to .*; choose"):
        download(source, store, LISTING, span_of_bars(bars))
    assert store.covered(LISTING) == ()


def test_bars_that_begin_later_are_found(tmp_path: Path) -> None:
    """On an exchange that answers with windows each empty one is asked for three times."""
    bars, store = market(20), Store(tmp_path)
    start, end = span_of_bars(bars)
    source = Recorded(bars, windowed=True)
    download(source, store, LISTING, Span(start - 2000 * STEP, end))
    assert_complete(store, bars)
    assert len(source.asked) == 3 * 100 + 1 + 1 + 3 + 1  # …, found, a page before, start, the page


def test_years_without_bars_are_not_asked_for_page_by_page(tmp_path: Path) -> None:
    """Where an exchange shows the next bars, however far, an empty page says that none come."""
    bars, store = market(20), Store(tmp_path)
    start, end = span_of_bars(bars)
    span = Span(start - 10**6 * STEP, end + 10**6 * STEP)
    source = Recorded(bars, until=span.end)
    download(source, store, LISTING, span)
    assert_complete(store, bars)
    assert store.covered(LISTING) == (span,)
    assert len(source.asked) < 10


def spoilt(row: int, column: int, value: float) -> Trouble:
    """Return a trouble that spoils one value wherever it is shown."""
    time = span_of_bars(market(60)).start + row * STEP

    def trouble(page: FloatArray) -> FloatArray:
        page = page.copy()
        page[page[:, 0] == time, column] = value
        return page

    return trouble


def test_a_defect_that_the_exchange_insists_on_is_stored_as_it_is(tmp_path: Path) -> None:
    bars, store = market(60), Store(tmp_path)
    source = Recorded(bars, trouble=spoilt(33, 4, np.nan))
    download(source, store, LISTING, span_of_bars(bars))
    with pytest.raises(BadBarsError, match=r"1 row with NaN .*, first 2024-01-01 02:45Z"):
        store.read(LISTING, span_of_bars(bars))
    assert held_rows(store)["close"].isna().sum() == 1


def test_a_defect_that_is_gone_when_asked_again_is_not_stored(tmp_path: Path) -> None:
    bars, store, pages = market(60), Store(tmp_path), count()
    source, spoil = Recorded(bars), spoilt(33, 2, -1.0)
    source.trouble = lambda page: spoil(page) if next(pages) < 3 else page
    download(source, store, LISTING, span_of_bars(bars))
    assert_complete(store, bars)


def test_rows_off_the_grid_and_contradictions_are_kept_for_the_reader_to_judge(
    tmp_path: Path,
) -> None:
    bars, store = market(60), Store(tmp_path)
    start = span_of_bars(bars).start

    def trouble(page: FloatArray) -> FloatArray:
        extra = page[page[:, 0] == start + 30 * STEP].repeat(2, 0)
        extra[:, 0] += [0, STEP // 2][: len(extra)]
        extra[:, 5] += 1
        return np.concatenate([page, extra])

    download(Recorded(bars, trouble=trouble), store, LISTING, span_of_bars(bars))
    with pytest.raises(BadBarsError, match=r"1 row with an earlier .*1 row off .*drop-off-grid"):
        store.read(LISTING, span_of_bars(bars))


@pytest.mark.parametrize("held", [0, 40])
def test_who_shows_the_last_bars_of_each_stretch_only_makes_no_holes(
    held: int, tmp_path: Path
) -> None:
    """As an exchange does whose pages are shorter than ccxt believes."""
    bars, store = market(200), Store(tmp_path)
    start, end = span_of_bars(bars)
    if held:
        download(Recorded(bars), store, LISTING, Span(start, start + held * STEP))
    source = Recorded(bars, windowed=True, trouble=lambda page: page[-10:])
    with pytest.raises(UnreachableError, match="cannot be believed"):
        download(source, store, LISTING, Span(start, end))
    assert len(held_rows(store)) == held
    assert_all_held_is_true(store, bars)


def test_answers_that_differ_each_time_are_an_error(tmp_path: Path) -> None:
    bars, store, noise = market(60, [0, 0, 9]), Store(tmp_path), count()
    source = Recorded(bars, trouble=lambda page: page + np.eye(6)[5] * next(noise))
    with pytest.raises(UnreachableError, match="from 2024-01-01 00:15Z on cannot be believed"):
        download(source, store, LISTING, span_of_bars(bars))


def test_a_few_empty_answers_empty_nothing_where_the_last_bar_is_far_back(tmp_path: Path) -> None:
    """The page of the last bar held does not reach the place, so it proves nothing of it."""
    bars, store = market(300), Store(tmp_path)
    start, end = span_of_bars(bars)
    download(Recorded(bars), store, LISTING, Span(start, start + 40 * STEP))
    trouble = count()

    def silent_at_first(page: FloatArray) -> FloatArray:
        return page[:0] if next(trouble) < 4 else page

    download(Recorded(bars, trouble=silent_at_first), store, LISTING, Span(start + 100 * STEP, end))
    assert len(held_rows(store)) == 240
    assert_all_held_is_true(store, bars)


def test_who_has_lost_what_lies_between_is_not_taken_for_a_hole(tmp_path: Path) -> None:
    """As an exchange that only shows its newest bars, days after the last download."""
    bars, store = market(300), Store(tmp_path)
    start, end = span_of_bars(bars)
    download(Recorded(bars), store, LISTING, Span(start, start + 40 * STEP))
    newest = Recorded(bars[240:], page_rows=60)
    newest.until = end
    with pytest.raises(ExchangeError, match="shows no bars before 2024-01-01 20:00Z any more"):
        download(newest, store, LISTING, Span(start, end))
    assert store.covered(LISTING) == (Span(start, start + 40 * STEP),)
