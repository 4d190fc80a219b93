"""Who may ask the dashboard: the rules that stand before every route.

A page of another site that the same browser shows is the stranger to keep out: it may send requests
to this machine, and by rebinding its name (DNS) even read the answers. Hence `Host` and `Origin`
must be ours. Beyond loopback there is also a token.
"""

import hmac
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from engine.errors import UsageError

METHODS = ["GET", "HEAD"]
PRIVATE = "/api/"
LEAST_TOKEN_LENGTH = 16  # characters; nothing slows down who guesses
TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{LEAST_TOKEN_LENGTH},}}")  # as secrets.token_urlsafe makes it
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

HTTP_PORT = 80  # which no browser writes behind the host


@dataclass(frozen=True, slots=True)
class Asking:
    """What is known of a request before it is answered; headers' names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: an HTTP status, and one line."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Door:
    """Where the dashboard stands, and who has the key.

    Attributes
    ----------
    host : address that it is bound to
    token : that must be shown; None where only this machine can ask
    """

    host: str
    port: int
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            if not is_loopback(self.host):
                raise UsageError(
                    f"beyond this machine the dashboard needs a token, found address {self.host} "
                    "and no token; give one, or bind to 127.0.0.1"
                )
        elif not TOKEN.fullmatch(self.token):
            raise UsageError(
                f"the dashboard's token must have {LEAST_TOKEN_LENGTH} or more characters, all of "
                f"them letters, digits, _ or -, found {len(self.token)}; make another one"
            )

    @property
    def cookie(self) -> str:
        """The cookie's name. Cookies know no ports: two dashboards of a machine must not share."""
        return f"tandem_{self.port}"

    @property
    def key(self) -> str:
        """What the cookie holds: proof of the token, not the token."""
        return hmac.new((self.token or "").encode(), b"tandem dashboard", sha256).hexdigest()

    def knows(self, host: str) -> bool:
        """Return whether `host`, as a `Host` header has it, is a name of ours.

        >>> door = Door("127.0.0.1", 8787)
        >>> door.knows("localhost:8787"), door.knows("localhost"), door.knows("evil.example:8787")
        (True, False, False)
        """
        name, port = _split(host.lower())
        if port != self.port:
            return False
        return name in (bracketed(self.host), *LOOPBACK_NAMES) or (
            # Bound to every address, it is reached by any. A name that was rebound is no address.
            _is_wildcard(self.host) and _is_address(name)
        )


Rule: TypeAlias = Callable[[Asking, Door], Refusal | None]


def refusal(asking: Asking, door: Door) -> Refusal | None:
    """Return the first rule's refusal, or None if the request is to be answered."""
    return next((no for rule in RULES if (no := rule(asking, door))), None)


def ours_is_the_host(asking: Asking, door: Door) -> Refusal | None:
    """Refuse what was sent to another name."""
    if door.knows(asking.headers.get("host", "")):
        return None
    return Refusal(421, "this is not the host that was asked for")


def only_reads(asking: Asking, _door: Door) -> Refusal | None:
    """Refuse whatever might change something."""
    return None if asking.method in METHODS else Refusal(405, "the dashboard only shows")


def same_origin(asking: Asking, door: Door) -> Refusal | None:
    """Refuse what a page of another origin sends; its link to our page may be followed."""
    origin = asking.headers.get("origin")
    if origin is not None and not _is_ours(origin, door):
        return Refusal(403, "a page of another origin asked")
    site = asking.headers.get("sec-fetch-site", "none")
    follows_link = asking.headers.get("sec-fetch-mode") == "navigate" and asking.path == "/"
    if site in ("none", "same-origin") or follows_link:
        return None
    return Refusal(403, "a page of another origin asked")


def shows_token(asking: Asking, door: Door) -> Refusal | None:
    """Refuse to tell anything of the session without the token, if there is one."""
    if door.token is None or not asking.path.startswith(PRIVATE):
        return None
    if brings_token(asking, door) or _brings_cookie(asking, door):
        return None
    return Refusal(401, "the dashboard's token is needed")


def brings_token(asking: Asking, door: Door) -> bool:
    """Return whether the request carries the token itself (`Authorization: Bearer`)."""
    scheme, _, given = asking.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _alike(given.strip(), door.token or "")


def _brings_cookie(asking: Asking, door: Door) -> bool:
    # By hand: the library's parser stops at the first cookie that it does not like, and cookies of
    # other services on this machine come along.
    pairs = (pair.strip().partition("=") for pair in asking.headers.get("cookie", "").split(";"))
    return any(name == door.cookie and _alike(value, door.key) for name, _, value in pairs)


# The host comes first: to a stranger's page nothing more is said.
RULES: tuple[Rule, ...] = (ours_is_the_host, only_reads, same_origin, shows_token)


def is_loopback(host: str) -> bool:
    """Return whether an address is of this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    return ipaddress.ip_address(host).is_loopback


def bracketed(host: str) -> str:
    """Return the host as an address bar has it.

    >>> bracketed("::1"), bracketed("127.0.0.1")
    ('[::1]', '127.0.0.1')
    """
    return f"[{host}]" if ":" in host else host


def _alike(given: str, wanted: str) -> bool:
    # In constant time: how long a comparison takes would tell how much of a guess is right.
    return hmac.compare_digest(given.encode(), wanted.encode())


def _is_ours(origin: str, door: Door) -> bool:
    scheme, _, host = origin.partition("://")
    return scheme == "http" and door.knows(host)


def _split(host: str) -> tuple[str, int | None]:
    """Return name and port of a `Host` header; port None if it is no number."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host, HTTP_PORT
    return name, int(port) if port.isascii() and port.isdigit() else None


def _is_wildcard(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
