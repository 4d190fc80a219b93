"""Fewer points of a long line, its heights and depths among them."""

from collections.abc import Sequence

import numpy as np

from feeds.bars import FloatArray, IntArray


def thinned(lines: Sequence[FloatArray], most: int) -> IntArray:
    """Return at most so many positions, increasing, that show lines of one time as they are.

    The first and the last are among them, and of each of as many stretches as fit the lowest and
    highest value of every line: what is drawn reaches as high and as low as the whole line.

    Parameters
    ----------
    lines : of one length, without NaN
    most : positions, at least 2 + 2 * number of lines
    """
    count = len(lines[0])
    if count <= most:
        return np.arange(count)
    stretches = (most - 2) // (2 * len(lines))
    length = -(-count // stretches)
    whole = count // length * length
    found = [np.array([0, count - 1])]
    for line in lines:
        rows, rest = line[:whole].reshape(-1, length), line[whole:]
        begin = np.arange(len(rows)) * length
        found += [begin + rows.argmin(axis=1), begin + rows.argmax(axis=1)]
        if len(rest):
            found.append(whole + np.array([rest.argmin(), rest.argmax()]))
    return np.unique(np.concatenate(found))


def stretch_means(line: FloatArray, most: int) -> tuple[IntArray, FloatArray]:
    """Return where at most so many stretches of a line begin, and the mean of each."""
    length = max(1, -(-len(line) // most))
    begin = np.arange(0, len(line), length)
    sums = np.add.reduceat(line, begin)
    return begin, sums / np.diff(begin, append=len(line))
