"""Keeping secrets out of logs that leave the home.

What is known to be a secret here is taken out wherever it stands; what only looks like one,
as what stands after the word "password", too. More than is needed may go.
"""

from collections.abc import Iterable
import re
from typing import Final

from ..jobs.redacted_lines import LONGEST, RedactedLines

HIDDEN: Final = "[hidden]"

_SHORTEST: Final = 6
"""A shorter secret is a word like any other: without it, nothing could be read."""

_KEY_END: Final = r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----"
_PRIVATE_KEYS: Final = (
    re.compile(
        rf"-----BEGIN [A-Z0-9 ]{{0,30}}PRIVATE KEY-----"
        rf"(?:.{{0,16384}}?{_KEY_END}|.{{0,16384}})",
        re.DOTALL,
    ),
    # What is left of one that began before what is sent.
    re.compile(rf"\A(?:(?!-----BEGIN).){{0,16384}}?{_KEY_END}", re.DOTALL),
)
_CREDENTIALS: Final = (
    re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{6,}"),
    re.compile(r"(?i)(://)[^\s/@:\"']+:[^\s/@\"']+(?=@)"),
    re.compile(r"()\beyJ[\w-]{8,200}\.[\w-]{8,4096}\.[\w-]*"),
    re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(?i)(/api/webhook/)[^\s\"'?]+"),
    re.compile(r"(?i)([?&](?:key|sig|auth|code|authsig)=)[^\s&\"']+"),
    re.compile(
        r"""(?ix)
        (
            (?:
                passw(?:or)?d | passphrase | passcode | secret | token | credentials?
                | (?:api|access|private|encryption|network)[_ -]?key | authorization
                | cookie
            )
            [\w-]{0,40} \\?["']? \s* [:=] \s*
        )
        (?: (?:bearer|basic) \s+ )?
        (?: \[hidden\] | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | [^\s,;&)}\]]+ )
        """
    ),
)


def redacted(data: bytes, secrets: Iterable[str]) -> str:
    """Return a log without what is, or looks like, a secret. Blocks: it takes a while."""
    text = _without_signatures(data)
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    for key in _PRIVATE_KEYS:
        text = key.sub(HIDDEN, text)
    for credentials in _CREDENTIALS:
        text = credentials.sub(rf"\1{HIDDEN}", text)
    return text


def _without_signatures(data: bytes) -> str:
    """Return a log as a job's own is kept: what it is looked at with, is bounded."""
    lines = RedactedLines()
    starts = range(0, len(data), LONGEST)
    shown = [lines.feed(data[start : start + LONGEST]) for start in starts]
    return "".join([*shown, lines.end()])
