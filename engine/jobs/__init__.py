"""The commands and what they share; the only part of `engine` that knows `strategies` and `ml`."""
