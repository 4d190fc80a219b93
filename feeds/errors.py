"""Errors of market data.

FeedError
├── BadTimeframeError   a timeframe that cannot be read or is not supported
├── BadSymbolError      a symbol that is not BASE/QUOTE
├── BadBarsError        bars that break a promise of `Bars`
└── BadFileError        a file that cannot be read as bars
"""


class FeedError(Exception):
    """Market data cannot be used."""


class BadTimeframeError(FeedError):
    """A timeframe cannot be read or is not supported."""


class BadSymbolError(FeedError):
    """A symbol is not of the form BASE/QUOTE."""


class BadBarsError(FeedError):
    """Bars break a promise of `feeds.bars.Bars`."""


class BadFileError(FeedError):
    """A file cannot be read as bars."""
