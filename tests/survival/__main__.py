"""Print a table of what processes outlive: python -m tests.survival (half an hour or more)."""

from tests.survival.table import section

if __name__ == "__main__":
    for line in section():
        print(line, flush=True)  # noqa: T201  what it is for
