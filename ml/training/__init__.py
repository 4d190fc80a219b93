"""From bars to a trained ensemble and what it is worth."""
