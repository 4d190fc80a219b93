"""Tests of `engine.jobs.showing`."""
