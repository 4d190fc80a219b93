"""Tests of `engine.jobs.searching`."""
