"""Wrong input: one line, exit 1 (2 for wrong usage), nothing lost."""
