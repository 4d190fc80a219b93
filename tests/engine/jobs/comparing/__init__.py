"""Tests of `engine.jobs.comparing`."""
