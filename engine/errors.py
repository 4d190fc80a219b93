"""Errors of running.

EngineError
├── ConfigError   the configuration breaks a rule or names an unknown key
└── RunError      a run cannot be done with what it was given
"""


class EngineError(Exception):
    """A run cannot be done."""


class ConfigError(EngineError):
    """The configuration breaks a rule or names an unknown key."""


class RunError(EngineError):
    """A run cannot be done with what it was given."""
