"""Learning: features, labels, models and the ensemble. Knows no trading."""
