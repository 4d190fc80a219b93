"""The one thread that reads the state: no request waits in the server's loop for a disk."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from engine.dashboard.session_view import SessionView

T = TypeVar("T")


class Watcher:
    """Asks a `SessionView` in a thread of its own, one question after the other.

    Attributes
    ----------
    stopping : streams must end
    """

    def __init__(self, path: Path) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dashboard-reader")
        self._stopping = threading.Event()
        try:
            self._view = self._pool.submit(SessionView, path).result()
        except BaseException:
            self._pool.shutdown()
            raise

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def ask(self, question: Callable[[SessionView], T]) -> T:
        """Return the answer."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, question, self._view)

    def stop(self) -> None:
        """Let streams end."""
        self._stopping.set()

    def close(self) -> None:
        """End the thread; nobody asks any more."""
        self._pool.submit(self._view.close).result()
        self._pool.shutdown()
