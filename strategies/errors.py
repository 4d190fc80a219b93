"""Errors of strategies.

StrategyError   a strategy of one's own cannot be read, or does not keep what a strategy promises
"""


class StrategyError(Exception):
    """A strategy of one's own cannot be read, or does not keep what a strategy promises."""
