"""An exchange on this machine that replays recordings, faults included."""
