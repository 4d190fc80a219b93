"""Rules of the trade: evidence, score, decision."""
