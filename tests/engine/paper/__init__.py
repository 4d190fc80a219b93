"""Tests of paper trading."""
