"""Sessions that are killed, interrupted, starved of disk and started twice, by the command line."""
