"""What the doctor looks at; the command is `engine.jobs.doctor`."""
