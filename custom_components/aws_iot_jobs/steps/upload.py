"""Sending something to a presigned URL, as Amazon S3 takes it: in one request, of known size.

The query of such a URL is a signature, and is never shown. Who gets what is sent is named by
the URL, so that no redirect is followed.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
import os
import re
from typing import BinaryIO, Final

import aiohttp
from yarl import URL

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from ..jobs.calls import PLACEHOLDER
from ..jobs.home_steps import StepFailedError

MAX_BYTES: Final = 5 * 1024**3
"""How much Amazon S3 takes in one request."""
CHUNK_BYTES: Final = 1024 * 1024

_ANSWER_BYTES: Final = 16 * 1024
_PLAIN: Final = re.compile(r"[!-~]+")
"""What is signed is sent as it is: a URL has to be encoded already."""
_QUERY: Final = re.compile(r"\?\S*")
_WORDS: Final = re.compile(r"<(Code|Message)>([^<]{1,300})</\1>")
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=30)
"""How long all of it may take is said by the step."""


def problem_of(url: str) -> str | None:
    """Return why nothing can be sent to a URL; None where nothing is known to be wrong."""
    if PLACEHOLDER in url:
        return (
            "AWS IoT has not filled in the placeholder in uploadUrl: the job has to be "
            "created with presignedUrlConfig, and its role must allow s3:PutObject"
        )
    if url and (not _PLAIN.fullmatch(url) or not _has_host(url)):
        return "uploadUrl is not a URL that something can be sent to"
    return None


def _has_host(url: str) -> bool:
    try:
        return bool(host_of(url))
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return the host of a URL, which may be shown."""
    return URL(url, encoded=True).host or ""


async def send_file(
    hass: HomeAssistant, url: str, file: BinaryIO, on_percent: Callable[[float], None]
) -> int:
    """Send an open file; return how many bytes it had. Raises StepFailedError."""

    def measured() -> int:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return size

    async def chunks() -> AsyncGenerator[bytes]:
        while chunk := await hass.async_add_executor_job(file.read, CHUNK_BYTES):
            yield chunk

    size = await hass.async_add_executor_job(measured)
    await send(hass, url, chunks(), size, on_percent)
    return size


async def send(
    hass: HomeAssistant,
    url: str,
    chunks: AsyncIterator[bytes],
    size: int,
    on_percent: Callable[[float], None],
) -> None:
    """Send what comes, which has so many bytes. Raises StepFailedError."""
    host = host_of(url)
    if size > MAX_BYTES:
        raise StepFailedError(
            f"{size} bytes are too many for {host}: Amazon S3 takes 5 GB in one request"
        )
    body = _Body(chunks, size, on_percent)
    try:
        async with async_get_clientsession(hass).put(
            URL(url, encoded=True),
            data=body.parts(),
            headers={aiohttp.hdrs.CONTENT_LENGTH: str(size)},
            # It would have to be part of some signatures.
            skip_auto_headers=(aiohttp.hdrs.CONTENT_TYPE,),
            allow_redirects=False,
            timeout=_NO_TIMEOUT,
        ) as response:
            answer = await response.content.read(_ANSWER_BYTES)
    except (aiohttp.ClientError, OSError) as err:
        if body.problem is not None:
            raise StepFailedError(f"{body.problem}; {host} has nothing of it") from err
        # Of some errors, the text has the whole URL.
        why = _QUERY.sub("", str(err)) or type(err).__name__
        raise StepFailedError(f"{host} could not be sent to: {why}") from err
    if not 200 <= response.status < 300:
        raise StepFailedError(_refusal(host, response.status, answer))


class _Body:
    """What is sent, counted. `problem` is why it ended before its end."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        size: int,
        on_percent: Callable[[float], None],
    ) -> None:
        self.problem: Exception | None = None
        self._chunks = chunks
        self._size = size
        self._on_percent = on_percent

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield it. An error here is told by the request in words of its own."""
        try:
            async for part in self._counted():
                yield part
        except Exception as err:
            self.problem = err
            raise

    async def _counted(self) -> AsyncGenerator[bytes]:
        sent = 0
        async for chunk in self._chunks:
            sent += len(chunk)
            if sent > self._size:
                break
            yield chunk
            self._on_percent(100 * sent / self._size)
        if sent != self._size:
            raise ValueError(
                f"there should be {self._size} bytes to send, and there are "
                f"{'more' if sent > self._size else sent}"
            )


def _refusal(host: str, status: int, answer: bytes) -> str:
    if 300 <= status < 400:
        return f"{host} leads elsewhere: uploadUrl must name the region of its bucket"
    found = dict(_WORDS.findall(answer.decode(errors="replace")))
    words = [found[element] for element in ("Code", "Message") if element in found]
    refusal = ": ".join([f"{host} did not take it: HTTP status {status}", *words])
    if "expired" in refusal:
        refusal += " (a presigned URL is valid for a limited time; create the job anew)"
    return refusal
