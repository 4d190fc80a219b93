"""One file per command; the only part of `engine` that knows `strategies` and `ml`."""
