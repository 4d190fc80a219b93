"""The exchange: whether it answers, and how far its clock is from ours. One question in all."""

from collections.abc import Iterator

from engine.jobs.diagnosing.finding import Asked, Finding, State

TOLERATED = 1.0  # seconds between the clocks: a bar is decided on in the first seconds of the next


def exchange(asked: Asked) -> Iterator[Finding]:
    """Ask for the time. Without an exchange everything works that needs no new bars."""
    from feeds.errors import BlockedError, ExchangeError, UnknownMarketError, UnreachableError
    from feeds.told_time import ask_time

    try:
        told = ask_time(asked.exchange, base_url=asked.base_url)
    except (UnknownMarketError, BlockedError) as error:
        found, _, remedy = str(error).partition("; ")
        state = State.FAIL if isinstance(error, UnknownMarketError) else State.WARN
        yield Finding("exchange", state, found, remedy)
    except UnreachableError as error:
        remedy = (
            "what is in the store and in files works without it; for new bars look at the "
            "connection, or try another with --exchange or a mirror with --base-url"
        )
        yield Finding("exchange", State.WARN, str(error), remedy)
    except ExchangeError as error:
        yield Finding("exchange", State.FAIL, str(error), "try another with --exchange")
    else:
        yield Finding("exchange", State.OK, f"{told.exchange} answers, in {told.took:.2f} s")
        yield _clock(told.exchange, told.ahead, told.took / 2)


def _clock(name: str, ahead: float | None, doubt: float) -> Finding:
    """Return what a distance between the clocks is worth.

    Parameters
    ----------
    ahead : seconds of ours before theirs; None if they do not tell
    doubt : seconds by which it may be wrong
    """
    if ahead is None:
        return Finding("clock", State.OK, f"not measured: {name} does not tell the time")
    side = "ahead of" if ahead > 0.0 else "behind"
    found = f"ours is {abs(ahead):.2f} s {side} that of {name}, give or take {doubt:.2f} s"
    if abs(ahead) - doubt <= TOLERATED:
        return Finding("clock", State.OK, found)
    remedy = "let the system keep it: timedatectl set-ntp true, or chrony"
    return Finding("clock", State.WARN, found, remedy)
