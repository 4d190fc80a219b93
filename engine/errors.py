"""Errors of running.

EngineError
├── ConfigError   the configuration breaks a rule or names an unknown key
├── UsageError    flags were given that do not go together
├── StateError    the state of a paper session cannot be used
└── RunError      a run cannot be done with what it was given
    └── ClockError   a strategy was to be skipped on a bar on which it, or its orders, did something
"""


class EngineError(Exception):
    """A run cannot be done."""


class ConfigError(EngineError):
    """The configuration breaks a rule or names an unknown key."""


class UsageError(EngineError):
    """Flags were given that do not go together."""


class StateError(EngineError):
    """The state of a paper session cannot be used."""


class RunError(EngineError):
    """A run cannot be done with what it was given."""


class ClockError(RunError):
    """A strategy was to be skipped on a bar on which it, or its orders, did something."""
