"""When an update puts its candidate in force."""

from enum import StrEnum


class Promote(StrEnum):
    """EVIDENCE: when it is shown to be better. UNLESS_WORSE: when it is not shown to be worse."""

    EVIDENCE = "evidence"
    UNLESS_WORSE = "unless-worse"
