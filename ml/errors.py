"""Errors of learning.

MLError
├── TrainingError        the training data cannot teach (too few rows, one class, …)
│   └── BusyError            another process is training or updating the same bundle
├── TuningError          the trials of a tuning cannot be kept
├── MemberError          a member that the configuration names cannot join the vote
├── BundleError          a bundle cannot be read or written
│   ├── BundleMissingError   there is none at the path
│   ├── BundleDamagedError   a digest or a format does not hold
│   └── BundleMismatchError  it was trained for something else than this run
└── InSampleError        bars that the bundle has seen are asked for as if they were new
"""


class MLError(Exception):
    """Learning or serving cannot be done."""


class TrainingError(MLError):
    """The training data cannot teach."""


class BusyError(TrainingError):
    """Another process is training or updating the same bundle."""


class TuningError(MLError):
    """The trials of a tuning cannot be kept."""


class MemberError(MLError):
    """A member that the configuration names cannot join the vote."""


class BundleError(MLError):
    """A bundle cannot be read or written."""


class BundleMissingError(BundleError):
    """There is no bundle at the path."""


class BundleDamagedError(BundleError):
    """A digest or a format does not hold."""


class BundleMismatchError(BundleError):
    """The bundle was trained for something else than this run."""


class InSampleError(MLError):
    """Bars that the bundle has seen are asked for as if they were new."""
