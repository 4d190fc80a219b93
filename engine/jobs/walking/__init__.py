"""The parts of a walk-forward; the command is `engine.jobs.walk_forward`."""
