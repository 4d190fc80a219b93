"""The memory of this process, as Linux counts it."""

from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_KB_PER_MB = 1024


def now_mb() -> float:
    """Return the memory in use."""
    return _field("VmRSS")


def peak_mb() -> float:
    """Return the most that was in use since the process began, or since `forget_peak`."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Let the peak begin at what is in use now."""
    _CLEAR.write_text("5")


def _field(name: str) -> float:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / _KB_PER_MB
