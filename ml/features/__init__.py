"""Features: what the models see of a bar, all of it scale-free and known when the bar closes."""
