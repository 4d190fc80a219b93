"""ML-on against ML-off and against what has no skill."""
