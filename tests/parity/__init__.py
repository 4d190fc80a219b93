"""Promises that cross packages."""
