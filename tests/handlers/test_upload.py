"""Uploading a file by a presigned URL, with each of two programs."""

from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .machine import Machine
from .web import CONTENT, WebServer


@pytest.fixture(params=["curl", "wget"])
def client(machine: Machine, request: pytest.FixtureRequest) -> str:
    """Run a test with each program that can upload."""
    machine.provide_real(request.param)
    return str(request.param)


@pytest.fixture
def file(machine: Machine) -> Path:
    """Return a file to upload, in a folder that all may look into."""
    path = machine.open_folder / "a log.txt"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    return path


def told(result: RunResult) -> str:
    """Assert that it failed, and told no secret; return what was said."""
    assert result.outcome is RunOutcome.EXITED
    assert result.exit_status != 0
    words = result.stdout + result.stderr
    for secret in ("Signature", "Credential", "AKID"):
        assert secret not in words
    return result.stderr


async def test_uploads_the_file(
    machine: Machine, client: str, web: WebServer, file: Path
) -> None:
    """All of it, and says so without the query."""
    url = web.url("/bucket/a%20log.txt")
    result = await machine.run("upload-file.sh", "", str(file), url)
    assert result.exit_status == 0, result.stderr
    assert web.uploads == {"/bucket/a%20log.txt": CONTENT}
    shown = url.split("?", maxsplit=1)[0]
    assert result.stdout.strip() == f"Uploaded {file} to {shown} (220000 bytes)."
    assert result.stderr == ""


async def test_uploads_an_empty_file(
    machine: Machine, client: str, web: WebServer, file: Path
) -> None:
    """A log may be empty."""
    file.write_bytes(b"")
    result = await machine.run("upload-file.sh", "", str(file), web.url("/bucket/key"))
    assert result.exit_status == 0, result.stderr
    assert web.uploads == {"/bucket/key": b""}


async def test_a_refusal_is_told_in_the_words_of_s3(
    machine: Machine, client: str, web: WebServer, file: Path
) -> None:
    """What is wrong, and no secret."""
    url = web.url("/forbidden/key")
    result = await machine.run("upload-file.sh", "", str(file), url)
    words = told(result)
    assert "403: AccessDenied: Request has expired" in words
    assert url.split("?", maxsplit=1)[0] in words
    assert web.uploads == {}


async def test_no_redirect_is_followed(
    machine: Machine, client: str, web: WebServer, file: Path
) -> None:
    """The file goes to whom the job names, or to nobody."""
    url = web.url("/moved/key")
    result = await machine.run("upload-file.sh", "", str(file), url)
    assert "leads elsewhere" in told(result)
    assert web.uploads == {}
    assert len(web.requests) == 1


async def test_a_server_that_is_not_there(
    machine: Machine, client: str, file: Path
) -> None:
    """It fails as the program does, and tells where to it was."""
    with WebServer() as web:
        url = web.url("/bucket/key")
    result = await machine.run("upload-file.sh", "", str(file), url)
    assert f"could not upload to {url.split('?', maxsplit=1)[0]}: " in told(result)


async def test_reads_as_the_user(machine: Machine, client: str, web: WebServer) -> None:
    """What the user may not read is not uploaded."""
    machine.provide_real("setpriv")
    file = machine.open_folder / "secret"
    file.write_text("secret")
    file.chmod(0o600)
    url = web.url("/bucket/key")
    result = await machine.run("upload-file.sh", "nobody", str(file), url)
    assert f"user nobody may not read {file}" in told(result)
    file.chmod(0o644)
    result = await machine.run("upload-file.sh", "nobody", str(file), url)
    assert result.exit_status == 0, result.stderr
    assert web.uploads == {"/bucket/key": b"secret"}


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing", "there is no file"), ("", "is not a regular file")],
)
async def test_what_is_no_file(
    machine: Machine, web: WebServer, name: str, words: str
) -> None:
    """Nothing is asked of the server."""
    path = machine.open_folder / name
    result = await machine.run("upload-file.sh", "", str(path), web.url("/bucket/key"))
    assert words in told(result)
    assert web.requests == []


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1/a", "file:///etc/passwd", "http://"]
)
async def test_what_is_no_url(machine: Machine, file: Path, url: str) -> None:
    """It is wrong before anything is done."""
    result = await machine.run("upload-file.sh", "", str(file), url)
    told(result)
    assert result.exit_status == 2


async def test_without_a_program(machine: Machine, web: WebServer, file: Path) -> None:
    """It says what is missing: BusyBox's wget cannot upload."""
    machine.provide_real("busybox", "wget")
    result = await machine.run("upload-file.sh", "", str(file), web.url("/bucket/key"))
    assert "there is neither curl nor GNU wget" in told(result)
