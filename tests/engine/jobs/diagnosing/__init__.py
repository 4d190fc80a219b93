"""Tests of `engine.jobs.diagnosing`."""
