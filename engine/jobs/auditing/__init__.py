"""The parts of a leak audit; the command is `engine.jobs.audit`."""
