"""Tests of `engine.jobs.walking`."""
