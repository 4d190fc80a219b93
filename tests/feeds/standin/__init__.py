"""Tests of the stand-in exchange."""
