"""Retraining as routine: the window grows, a candidate is judged, and takes turns with others."""
