"""Tests of `engine.statistics`."""
