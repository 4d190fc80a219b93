"""A feed that goes on after bars that are known: from there on, and nothing of before."""

from dataclasses import replace

import numpy as np

from tests.feeds.live.harness import (
    HISTORY,
    MINUTE,
    Scene,
    assert_bars_true,
    column,
    follow,
)

BTC, ETH = "BTC/USDT", "ETH/USDT"


def test_a_symbol_that_was_halted_goes_on_with_the_others_in_a_new_segment() -> None:
    """Its bars while the others went on belong to moments that are on record without it."""
    scene = Scene(bars=3, symbols=(BTC, ETH), skipped=4)
    halted, other = scene.recorded()
    known = {BTC: halted[: HISTORY - 20], ETH: other[:HISTORY]}
    followed = follow(scene, known=known)
    closes = [moment.closed_at for moment in followed.moments]
    expected = known[ETH].closed_at[-1] + np.arange(1, 8) * MINUTE.delta
    np.testing.assert_array_equal(closes, expected)
    assert all(set(moment.bars) == {BTC, ETH} for moment in followed.moments)
    assert set(column(followed.moments, BTC, "segment")) == {known[BTC].segment[-1] + 1}
    assert set(column(followed.moments, ETH, "segment")) == {known[ETH].segment[-1]}
    assert_bars_true(followed, BTC)
    assert followed.health.filled == 0


def test_what_the_exchange_has_changed_of_a_known_bar_meanwhile_is_told() -> None:
    scene = Scene(bars=3, skipped=2)
    (bars,) = scene.recorded()
    known = bars[:HISTORY]
    row, close = HISTORY - 2, known.close[HISTORY - 2]
    volume = known.volume.copy()
    volume[row] /= 2  # as it was when it was handed over
    followed = follow(scene, known={BTC: replace(known, volume=volume)})
    (revision,) = [each for moment in followed.moments for each in moment.revisions]
    assert revision.time == known.time[row]
    assert (revision.before[3], revision.before[4]) == (close, volume[row])
    assert revision.after[4] == 2 * volume[row]
