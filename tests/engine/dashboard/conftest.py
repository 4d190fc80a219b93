"""A recorded session."""

import pytest

from tests.engine.dashboard.session_makers import Recorded, record_session

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """A day of three simulated markets, traded by the real engine."""
    return record_session(SYMBOLS)
