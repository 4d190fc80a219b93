"""Print what processes outlive: python -m tests.survival (half an hour).

It is the last section of `docs/reliability.md`, which `python -m tests.reliability` writes whole.
"""

from tests.survival.table import section

if __name__ == "__main__":
    for line in section():
        print(line, flush=True)  # noqa: T201  what it is for
