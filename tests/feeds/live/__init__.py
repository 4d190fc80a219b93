"""Tests of the live feed."""
