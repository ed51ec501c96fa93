"""Which hosts the URLs in a text name, told so that no program takes another one for it.

Programs do not agree on how a URL is read that is not written plainly: what a backslash in
it is, or a second @, a space or a line break, a letter beyond ASCII. So only a plain one
has a host here. Of any other it is not known, and nobody has to guess.
"""

from collections.abc import Iterator
import re
from typing import Final

ANY_SUBDOMAIN: Final = "*."

_MAX_HOST: Final = 253
_FLAGS: Final = re.IGNORECASE | re.ASCII
_URL: Final = re.compile(
    # With any number of slashes, as programs forgive; and whatever else is addressed like it.
    r"(?:(?P<scheme>https?):[/\\]*|:[/\\]{2,})(?P<authority>[^/?#]*)",
    _FLAGS,
)
_NAME: Final = r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+"
_AUTHORITY: Final = re.compile(
    rf"(?P<host>{_NAME}|\[[0-9a-f:.]+\])\.?(?::[0-9]{{1,5}})?", _FLAGS
)
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_NAME}|\[[0-9a-f:.]+\]", _FLAGS)
# Some programs take these out of a URL before they read it.
_TAKEN_OUT: Final = dict.fromkeys(map(ord, "\t\n\r"))


def hosts_in(text: str) -> Iterator[str | None]:
    """Yield the host of each URL in a text, in lower case; None where it is not plain.

    A URL of another scheme than http and https has none, either.
    """
    yield from _hosts_in(text)
    if (other := text.translate(_TAKEN_OUT)) != text:
        yield from _hosts_in(other)


def host_pattern(entered: str) -> str:
    """Return the pattern of hosts that somebody has entered: `example.com`, `*.example.com`.

    Raises ValueError for what is none: a URL, a port, letters beyond ASCII.
    """
    pattern = entered.strip().lower().removesuffix(".")
    if len(pattern) > _MAX_HOST or _PATTERN.fullmatch(pattern) is None:
        raise ValueError(f"{entered!r} is not the name of a host")
    return pattern


def is_among(host: str, patterns: frozenset[str]) -> bool:
    """Tell whether a host is one that the patterns mean.

    `*.example.com` means all hosts below example.com, and not that one itself.
    """
    if host in patterns:
        return True
    labels = host.split(".")
    above = (".".join(labels[start:]) for start in range(1, len(labels)))
    return any(f"{ANY_SUBDOMAIN}{name}" in patterns for name in above)


def _hosts_in(text: str) -> Iterator[str | None]:
    for url in _URL.finditer(text):
        found = _AUTHORITY.fullmatch(url["authority"])
        if url["scheme"] is None or found is None or len(found["host"]) > _MAX_HOST:
            yield None
        else:
            yield found["host"].lower()
