"""What a step sends to a presigned URL."""

import asyncio
from collections.abc import AsyncIterator, Callable
import io
import secrets

from aiohttp import web
import pytest

from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps import upload
from homeassistant.core import HomeAssistant

from .bucket import Bucket

CONTENT = secrets.token_bytes(3 * upload.CHUNK_BYTES + 1)


async def test_a_file_is_sent_in_one_piece(hass: HomeAssistant, bucket: Bucket) -> None:
    """With its size, and nothing that a signature would have to know of."""
    percents: list[float] = []
    file = io.BytesIO(CONTENT)
    file.seek(5)
    size = await upload.send_file(
        hass, bucket.url("a%20b%2B.tar"), file, percents.append
    )
    assert size == len(CONTENT)
    assert bucket.uploads == {"a b+.tar": CONTENT}
    assert bucket.headers is not None
    assert bucket.headers["Content-Length"] == str(len(CONTENT))
    assert "Transfer-Encoding" not in bucket.headers
    assert "Content-Type" not in bucket.headers
    assert percents == sorted(percents)
    assert percents[-1] == 100


async def test_nothing_is_sent_as_nothing(hass: HomeAssistant, bucket: Bucket) -> None:
    """An empty file arrives, too."""
    assert await upload.send_file(hass, bucket.url("a"), io.BytesIO(), print) == 0
    assert bucket.uploads == {"a": b""}


async def test_an_expired_url(hass: HomeAssistant, bucket: Bucket) -> None:
    """It says so, though it is known before all was sent; and shows no signature."""
    bucket.expire()
    message = await _failure(hass, bucket.url("a"), CONTENT * 4)
    assert message == (
        "127.0.0.1 did not take it: HTTP status 403: AccessDenied: Request has expired "
        "(a presigned URL is valid for a limited time; create the job anew)"
    )


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            lambda: web.Response(status=307, headers={"Location": "http://localhost/"}),
            "127.0.0.1 leads elsewhere: uploadUrl must name the region of its bucket",
        ),
        (
            lambda: web.Response(status=500, text="X-Amz-Signature=5ec2e7"),
            "127.0.0.1 did not take it: HTTP status 500",
        ),
    ],
)
async def test_what_is_not_taken(
    hass: HomeAssistant,
    bucket: Bucket,
    refusal: Callable[[], web.Response],
    message: str,
) -> None:
    """Nobody but who is named gets it, and of an answer only S3's own words are shown."""
    bucket.refusal = refusal()
    assert await _failure(hass, bucket.url("a"), b"abc") == message
    assert bucket.requests == 1


async def test_nobody_there(hass: HomeAssistant, unused_tcp_port: int) -> None:
    """The host is named, and not the signature."""
    url = f"http://127.0.0.1:{unused_tcp_port}/a?X-Amz-Signature=5ec2e7"
    message = await _failure(hass, url, b"abc")
    assert message.startswith("127.0.0.1 could not be sent to: ")
    assert "5ec2e7" not in message


async def test_a_connection_that_ends(hass: HomeAssistant) -> None:
    """In the middle of it."""

    async def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(end, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server:
        url = f"http://127.0.0.1:{port}/a?X-Amz-Signature=5ec2e7"
        message = await _failure(hass, url, CONTENT * 4)
    assert message.startswith("127.0.0.1 could not be sent to: ")
    assert "5ec2e7" not in message


async def test_too_much(
    hass: HomeAssistant, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What S3 would refuse at its end is not even begun."""
    monkeypatch.setattr(upload, "MAX_BYTES", 2)
    assert await _failure(hass, bucket.url("a"), b"abc") == (
        "3 bytes are too many for 127.0.0.1: Amazon S3 takes 5 GB in one request"
    )
    assert bucket.requests == 0


@pytest.mark.parametrize(
    ("chunks", "found"), [((b"ab",), "2"), ((b"ab", b"cd"), "more")]
)
async def test_another_size_than_was_told(
    hass: HomeAssistant, bucket: Bucket, chunks: tuple[bytes, ...], found: str
) -> None:
    """What does not come to its end, or does not end, is not taken for whole."""
    with pytest.raises(StepFailedError) as failure:
        await upload.send(hass, bucket.url("a"), _stream(*chunks), 3, print)
    assert str(failure.value) == (
        f"there should be 3 bytes to send, and there are {found}; "
        "127.0.0.1 has nothing of it"
    )
    assert bucket.uploads == {}


async def test_what_cannot_be_read(hass: HomeAssistant, bucket: Bucket) -> None:
    """It is told, and not that the connection ended for it."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise OSError("the disk is broken")

    with pytest.raises(StepFailedError, match=r"^the disk is broken; "):
        await upload.send(hass, bucket.url("a"), broken(), 3, print)


async def test_a_stop_ends_it(hass: HomeAssistant, bucket: Bucket) -> None:
    """At once, and nothing has arrived."""
    bucket.may_go_on.clear()
    file = io.BytesIO(CONTENT)
    sending = hass.async_create_task(
        upload.send_file(hass, bucket.url("a"), file, lambda percent: None)
    )
    await bucket.begun.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert bucket.uploads == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https://[::1/a",
        "http://a:b/",
        "http://a/b c",
        "http://a/ü",
        "http://a/\r\n",
    ],
)
def test_no_url(url: str) -> None:
    """What names nobody, or more than a file, is told before anything is done."""
    assert (
        upload.problem_of(url) == "uploadUrl is not a URL that something can be sent to"
    )


def test_a_placeholder_that_is_not_filled_in() -> None:
    """It is told what the job needs for it."""
    url = "${aws:iot:s3-presigned-url-upload:https://s3.eu-central-1.amazonaws.com/b/k}"
    assert "presignedUrlConfig" in (upload.problem_of(url) or "")
    assert upload.problem_of("") is None
    assert (
        upload.problem_of("https://b.s3.eu-central-1.amazonaws.com/k?X-Amz-a=b") is None
    )


async def _failure(hass: HomeAssistant, url: str, content: bytes) -> str:
    with pytest.raises(StepFailedError) as failure:
        await upload.send_file(hass, url, io.BytesIO(content), lambda percent: None)
    return str(failure.value)


async def _stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
