"""Tests of `engine.jobs.auditing`."""
