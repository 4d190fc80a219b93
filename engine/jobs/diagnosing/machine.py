"""The machine: folders that must be written, room on the disk, a port, a browser."""

import errno
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from engine.jobs.diagnosing.finding import Asked, Finding, State
from engine.jobs.diagnosing.installation import refused

GIB = 2**30
ROOMY = 2 * GIB  # a few years of one-minute bars, their runs, and a training's drafts
TIGHT = GIB // 4  # less, and a command may stop in the middle for want of it
PORT = ("127.0.0.1", 8787)  # where the documents have the dashboard


def folders(asked: Asked) -> Iterator[Finding]:
    """Try to write where runs and bars are kept."""
    for check, folder, flag in (("runs", asked.out, "--out"), ("store", asked.store, "--store")):
        place = nearest(folder)
        why = refused(place) if place.is_dir() else "it is no folder"
        if why:
            remedy = f"let {place} be written, or name another folder with {flag}"
            yield Finding(check, State.FAIL, f"{folder} cannot be written: {why}", remedy)
        elif check == "runs":  # of the store more is said where its files are looked at
            made = "" if place == folder else ", made by the first run"
            yield Finding(check, State.OK, f"{folder} can be written{made}")


def disk(asked: Asked) -> Iterator[Finding]:
    """Say what room is left, once for every disk."""
    seen = set()
    for folder in (asked.out, asked.store):
        place = nearest(folder)
        device = place.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield room(place.resolve(), shutil.disk_usage(place).free)


def room(place: Path, free: int) -> Finding:
    """Return what so many free bytes are worth."""
    found = f"{free / GIB:,.1f} GiB free at {place}"
    if free >= ROOMY:
        return Finding("disk", State.OK, found)
    state = State.WARN if free >= TIGHT else State.FAIL
    return Finding(
        "disk", state, found, f"make room: {ROOMY / GIB:.0f} GiB are enough for runs of years"
    )


def port(_: Asked) -> Iterator[Finding]:
    """Try to listen where the dashboard would."""
    address = ":".join(map(str, PORT))
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(PORT)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is taken, perhaps by a session" if taken else f"cannot be had: {error.strerror}"
            remedy = f"name another for the dashboard: --dashboard {PORT[0]}:{PORT[1] + 1}"
            yield Finding("port", State.WARN, f"{address} {why}", remedy)
        else:
            yield Finding("port", State.OK, f"{address} is free for the dashboard")


def browser(_: Asked) -> Iterator[Finding]:
    """Look for what the tests in a browser drive."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        yield Finding(
            "browser",
            State.WARN,
            f"no {' and no '.join(missing)}: the tests in a browser are skipped",
            "only who changes the dashboard or the report needs it; Debian has it as chromium and "
            "chromium-driver",
        )
    else:
        yield Finding("browser", State.OK, f"{shutil.which('chromium')}, which only tests need")


def nearest(folder: Path) -> Path:
    """Return the folder, or the first above it that is there."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return folder if place == folder.absolute() else place
