"""A live session on paper, from its feed to its record."""
