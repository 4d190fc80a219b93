"""What the browser is told of texts that were written for the log: no paths, no whole addresses."""

import re

# What stands behind the host may be a secret: the addresses of web hooks are.
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:[^\s/@]*@)?([^\s/?#'\"]*)[^\s'\"]*", re.IGNORECASE)
_PATH = re.compile(
    r"(?<![\w./:])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\":;,()]+[/\\])*([^\s/\\'\":;,()]+)"
)


def discreet(text: str) -> str:
    """Return the text with addresses cut down to their host and paths to their last part.

    >>> discreet("cannot read /home/ann/models/mine: no bundle; BTC/USDT goes on without")
    'cannot read mine: no bundle; BTC/USDT goes on without'
    >>> discreet("https://hooks.example/T00/secret did not answer")
    'hooks.example did not answer'
    """
    return _PATH.sub(r"\1", _ADDRESS.sub(r"\1", text))
