"""The stand-in through ccxt, as a test wants it."""

import numpy as np

from feeds.exchange import Exchange, Patience, open_exchange
from feeds.standin.server import StandIn

QUICK = Patience(attempts=5, first=0.001, most=0.004, longest_asked=5.0)


def connect(server: StandIn, name: str = "binance", patience: Patience = QUICK) -> Exchange:
    """Open the stand-in through ccxt, without the pauses that spare a real exchange."""
    rng = np.random.default_rng(0)
    exchange = open_exchange(name, base_url=server.url, patience=patience, rng=rng)
    exchange._client.enableRateLimit = False
    return exchange
