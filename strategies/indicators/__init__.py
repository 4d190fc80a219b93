"""backtrader indicators."""
