"""A process that downloads in children, which may be killed at any moment.

It has loaded everything and forks a child for each download, so that a kill costs milliseconds:

    python -m tests.feeds.downloader URL ROOT

Each line of its input asks for one or more downloads at once, and is answered by a line:
`{"spans": [[start, end], …], "kill_after": seconds or null}` gives the exit codes `[0, -9, …]`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from feeds.download import download
from feeds.exchange import open_exchange
from feeds.spans import Span
from feeds.store import Store
from tests.feeds.client import QUICK
from tests.feeds.sources import LISTING, Recorded, market, span_of_bars


def download_span(url: str, root: Path, span: Span, begun: int) -> None:
    rng = np.random.default_rng(0)
    with open_exchange("binance", base_url=url, patience=QUICK, rng=rng) as exchange:
        exchange._client.rateLimit = 5
        os.write(begun, b"!")
        download(exchange, Store(root), LISTING, span, checkpoint_pages=1)


def started(url: str, root: Path, span: Span) -> int:
    """Start a download; return its process when it is about to ask for the first page."""
    begun, begins = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            download_span(url, root, span, begins)
            os._exit(0)
        finally:
            os._exit(1)  # after an error; never back into the parent's code
    os.close(begins)
    os.read(begun, 1)
    os.close(begun)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def warm_up() -> None:
    """Load and compile what a download needs, once for all children."""
    bars = market(9)
    with TemporaryDirectory() as folder:
        download(Recorded(bars), Store(Path(folder)), LISTING, span_of_bars(bars))


def main() -> None:
    url, root = sys.argv[1], Path(sys.argv[2])
    warm_up()
    for line in sys.stdin:
        asked = json.loads(line)
        children = [started(url, root, Span(*span)) for span in asked["spans"]]
        if asked["kill_after"] is not None:
            time.sleep(asked["kill_after"])
            for child in children:
                os.kill(child, signal.SIGKILL)  # one that is done is a zombie, which minds nothing
        sys.stdout.write(json.dumps([ended(child) for child in children]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
