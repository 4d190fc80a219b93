"""Requests to the dashboard over a real socket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

PATIENCE = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    """Send a request; underscores in headers' names stand for hyphens."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=_named(headers))
        answer = connection.getresponse()
        lines = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, lines, answer.read())
    finally:
        connection.close()


def window(url: str, **parameters: Any) -> Any:
    """Return the session's window."""
    return ask(url, f"/api/session?{urlencode(parameters)}").json


class Stream:
    """The stream of events, read one by one; a context manager that hangs up."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, **parameters: Any) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
        self._connection.request(
            "GET", f"/api/events?{urlencode(parameters)}", headers=headers or {}
        )
        self._answer: HTTPResponse = self._connection.getresponse()
        self.status = self._answer.status

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._connection.close()

    def events(self) -> Iterator[tuple[str, str | None, Any]]:
        """Yield kind, id and data of each event until the stream ends."""
        fields: dict[str, str] = {}
        for line in self._answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
                fields = {}

    def next(self, kind: str) -> tuple[str | None, Any]:
        """Return id and data of the next event of a kind."""
        return next((name, data) for found, name, data in self.events() if found == kind)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
