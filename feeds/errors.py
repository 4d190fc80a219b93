"""Errors of market data, and of files of the user's code.

FeedError
├── BadTimeframeError   a timeframe that cannot be read or is not supported
├── BadSymbolError      a symbol that is not BASE/QUOTE
├── BadBarsError        bars that break a promise of `Bars`
├── BadFileError        a file that cannot be read as bars
├── StoreError          the store of downloaded bars cannot be read or written
└── ExchangeError       an exchange cannot give what was asked
    ├── UnknownMarketError   there is no such exchange, symbol or timeframe
    ├── BlockedError         it refuses this place or this address
    └── UnreachableError     it does not answer properly, however often it is asked

PythonFileError   a file of the user's code cannot be read or run: callers say which
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


class StoreError(FeedError):
    """The store of downloaded bars cannot be read or written."""


class ExchangeError(FeedError):
    """An exchange cannot give what was asked."""


class UnknownMarketError(ExchangeError):
    """There is no such exchange, symbol or timeframe."""


class BlockedError(ExchangeError):
    """The exchange refuses this place or this address."""


class UnreachableError(ExchangeError):
    """The exchange does not answer properly, however often it is asked."""


class PythonFileError(Exception):
    """A file of the user's code cannot be read or run; no market data, so no `FeedError`."""
