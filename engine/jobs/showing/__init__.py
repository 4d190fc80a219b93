"""What a kept run is asked for; the command is `engine.jobs.show`."""
