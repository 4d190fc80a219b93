"""The parts of a strategy search; the command is `engine.jobs.search`."""
