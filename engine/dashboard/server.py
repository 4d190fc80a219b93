"""The dashboard's server: a thread beside the session, from the start of a block to its end."""

import socket
import threading
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from engine.dashboard.access import Door, bracketed
from engine.dashboard.guard import Guard
from engine.dashboard.routes import routes
from engine.dashboard.watcher import Watcher
from engine.errors import RunError, UsageError

START_SECONDS = 30.0
STOP_SECONDS = 3  # what answers in the making are given at the end
MOST_CONNECTIONS = 100
LONGEST_HEAD = 16 * 1024  # bytes of a request's headers


class Dashboard:
    """Shows the session that writes a state, to whoever asks at an address.

    Parameters
    ----------
    state_path : the state, which exists already; it is only read
    host, port : the address; port 0 takes any that is free
    token : asked of everyone who wants to see the session; needed where `host` is not loopback

    Attributes
    ----------
    url : where the page is, known inside of the block

    Raises
    ------
    UsageError
        on entering, if the address is not on this machine, or reaches beyond it without a token
    RunError
        on entering, if the address is taken
    StateError
        on entering, if the state cannot be read
    """

    url: str

    def __init__(
        self,
        state_path: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8787,
        token: str | None = None,
    ) -> None:
        self._path, self._host, self._port, self._token = state_path, host, port, token

    def __enter__(self) -> Self:
        self._watcher = Watcher(self._path)
        try:
            self._listener, door = _listen(self._host, self._port, self._token)
        except BaseException:
            self._watcher.close()
            raise
        self.url = f"http://{bracketed(door.host)}:{door.port}/"
        self._server = _Server(_config(Guard(routes(door, self._watcher), door)))
        self._thread = threading.Thread(target=self._serve, name="dashboard", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(START_SECONDS):
            self.__exit__(None, None, None)
            raise RunError(f"the dashboard must start within {START_SECONDS:g} s and did not")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watcher.stop()  # ends the streams, which would have no end of their own
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        self._watcher.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])


class _Server(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(app: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        # The plain ones, whatever else is installed; and nothing that reads settings from outside.
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        # Nothing of a request is logged: it may carry the token.
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _listen(host: str, port: int, token: str | None) -> tuple[socket.socket, Door]:
    """Return a socket that listens, and the door that stands there."""
    family, address = _resolved(host, port)
    door = Door(address, port, token)  # asked before anything listens
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise RunError(
            f"the dashboard needs {bracketed(host)}:{port} for itself, found: "
            f"{error.strerror or error}; give it another address"
        ) from error
    return listener, replace(door, port=listener.getsockname()[1])


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    """Return the address of a host; that is asked for loopback or not, no name."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(
            f"the dashboard's address must be one of this machine, found {host!r}: {error.strerror}"
        ) from error
    return family, str(address[0])
