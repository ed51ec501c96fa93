"""Downloading a file, whole or not at all, with each of three programs."""

import asyncio
import hashlib
import os
from pathlib import Path
import shutil
import ssl

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from ..certificates import CertificateAuthority
from .machine import Machine
from .web import CONTENT, SIGNATURE, WebServer

CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
CLIENTS = ("curl", "wget", "busybox wget")


def use(machine: Machine, client: str) -> None:
    """Have one program to download with."""
    if client == "busybox wget":
        machine.provide_real("busybox", "wget")
    else:
        machine.provide_real(client)


@pytest.fixture(params=CLIENTS)
def client(machine: Machine, request: pytest.FixtureRequest) -> str:
    """Run a test with each program that can download."""
    use(machine, request.param)
    return str(request.param)


@pytest.fixture
def curl(machine: Machine) -> None:
    """Have curl to download with."""
    use(machine, "curl")


@pytest.fixture
def target(machine: Machine) -> Path:
    """Return where a file is to be stored, in a folder that all may write to."""
    return machine.open_folder / "file.bin"


def failed(result: RunResult, target: Path) -> str:
    """Assert that nothing was stored and no secret told; return what was said."""
    assert result.outcome is RunOutcome.EXITED
    assert result.exit_status != 0
    assert [path for path in target.parent.iterdir() if path != target] == []
    assert "Signature" not in result.stdout + result.stderr
    assert "Credential" not in result.stdout + result.stderr
    return result.stderr


async def test_stores_the_file(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """All of it, readable for all, and nothing beside it."""
    result = await machine.run(
        "download-file.sh", "", web.url("/a/file.bin"), str(target)
    )
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]
    assert web.requests == [f"/a/file.bin?{SIGNATURE}"]
    shown = web.url("/a/file.bin").split("?", maxsplit=1)[0]
    assert result.stdout.strip() == f"Downloaded {shown} to {target}."
    assert result.stderr == ""


async def test_follows_a_redirect(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """As download servers give."""
    url = web.url("/elsewhere/file.bin", "")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert "Signature" not in result.stdout + result.stderr


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_directory_gets_the_name_in_the_url(
    machine: Machine, client: str, web: WebServer, target: Path, slash: str
) -> None:
    """Without its query."""
    result = await machine.run(
        "download-file.sh", "", web.url("/a/file.bin"), f"{target.parent}{slash}"
    )
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("My%20file%281%29.txt", "My file(1).txt"),
        ("My file.txt", "My file.txt"),
        ("caf%C3%A9.txt", "café.txt"),
        ("caf%c3%a9.txt", "café.txt"),
        ("café.txt", "café.txt"),
        ("a+b.txt", "a+b.txt"),
        ("a%2Bb%3Fc%23d%26e.txt", "a+b?c#d&e.txt"),
        ("100%25.txt", "100%.txt"),
        ("100%.txt", "100%.txt"),
        ("%2520.txt", "%20.txt"),
        ("%zz%4.txt", "%zz%4.txt"),
        ("it's%20%22%24%28id%29%22.txt", 'it\'s "$(id)".txt'),
        ("-n%5C%5Cn.txt", "-n\\\\n.txt"),
        ("v1;x=1,2.txt", "v1;x=1,2.txt"),
        # As wget has it: nothing leads elsewhere, nothing cannot be printed.
        ("x%2fy.txt", "x%2Fy.txt"),
        ("..%2F..%2fetc", "..%2F..%2Fetc"),
        ("a%0Ab%00c%7f.txt", "a%0Ab%00c%7F.txt"),
        # Not a query of a presigned URL, which may have slashes.
        ("f.bin?X-Amz-Credential=a/b/c&x=a b", "f.bin"),
        ("f.bin#page/2", "f.bin"),
    ],
)
async def test_the_name_is_unescaped_as_wget_does(
    machine: Machine, web: WebServer, target: Path, asked: str, name: str
) -> None:
    """The file is called what people call it, and lies where it was told to."""
    url = web.url(f"/a/{asked}", "").removesuffix("?")
    result = await machine.run("download-file.sh", "", url, str(target.parent))
    assert result.exit_status == 0, result.stderr
    assert [path.name for path in target.parent.iterdir()] == [name]
    assert (target.parent / name).read_bytes() == CONTENT
    assert f"to {target.parent}/{name}." in result.stdout
    assert "Credential" not in result.stdout + result.stderr


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("asked", "requested"),
    [
        ("a b/c d.bin?Signature=x y", "a%20b/c%20d.bin?Signature=x%20y"),
        ("a%20b/c%2Fd.bin?Signature=x%2By", "a%20b/c%2Fd.bin?Signature=x%2By"),
        ("é/100%.bin", "%C3%A9/100%25.bin"),
        ('"<>\\^`{|}', "%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("a;b,c:d@e!f$g&h='i'(j)*~_-.[k]", "a;b,c:d@e!f$g&h='i'(j)*~_-.[k]"),
    ],
)
async def test_asks_for_what_wget_would(
    machine: Machine,
    web: WebServer,
    target: Path,
    asked: str,
    requested: str,
) -> None:
    """What no URL can have is escaped, and nothing twice; no secret is told of it."""
    url = web.url(f"/a/{asked}", "").removesuffix("?")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert web.requests == [f"/a/{requested}"]
    assert "Signature" not in result.stdout + result.stderr
    assert " y" not in result.stdout + result.stderr


@pytest.mark.parametrize("scheme", ["HTTP", "Http"])
async def test_a_scheme_in_capitals(
    machine: Machine, client: str, web: WebServer, target: Path, scheme: str
) -> None:
    """It is the same."""
    url = web.url("/a/file.bin").replace("http", scheme)
    result = await machine.run("download-file.sh", "", url, str(target.parent))
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://[::1]:1/a/file.bin?Signature=1", "http://[::1]:1/a/file.bin"),
        ("FTP://127.0.0.1:1/a/file.bin;type=i", "ftp://127.0.0.1:1/a/file.bin;type=i"),
    ],
)
async def test_other_hosts_and_schemes(
    machine: Machine, client: str, target: Path, url: str, shown: str
) -> None:
    """They are tried; here, nothing answers. The name of the file is known before."""
    target.mkdir()
    target.chmod(0o777)
    (target / "file.bin").mkdir()
    result = await machine.run("download-file.sh", "", url, str(target))
    assert f"{target}/file.bin is not a regular file" in failed(result, target)
    (target / "file.bin").rmdir()
    result = await machine.run("download-file.sh", "", url, str(target))
    assert f"could not download {shown}: " in failed(result, target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("path", ["/missing/file", "/forbidden/file", "/moved/file"])
async def test_an_http_error_fails(
    machine: Machine, client: str, web: WebServer, target: Path, path: str
) -> None:
    """With the status, the address and no secret; a file that was there stays."""
    target.write_text("before")
    result = await machine.run("download-file.sh", "", web.url(path), str(target))
    told = failed(result, target)
    assert ("403" if path.startswith("/forbidden") else "404") in told
    assert web.url(path).split("?", maxsplit=1)[0] in told
    assert target.read_text() == "before"


async def test_half_a_file_is_none(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """A connection that ends early, each time that it is made, fails."""
    machine.fake("sleep")
    result = await machine.run(
        "download-file.sh", "", web.url("/cut/file"), str(target)
    )
    failed(result, target)
    assert not target.exists()
    assert machine.commands == ["sleep 1", "sleep 2", "sleep 4", "sleep 8"]
    assert len(web.requests) == 5


@pytest.mark.parametrize("known_by", ["checksum", "version"])
async def test_a_broken_download_is_resumed(
    machine: Machine, client: str, web: WebServer, target: Path, known_by: str
) -> None:
    """Only what is missing is asked for where it surely fits."""
    machine.fake("sleep")
    version = f"versionId=3%2FL4kqt&{SIGNATURE}"
    url = web.url("/broken/file", SIGNATURE if known_by == "checksum" else version)
    checksum = [CHECKSUM] if known_by == "checksum" else []
    result = await machine.run("download-file.sh", "", url, str(target), *checksum)
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert web.ranges == [None, "bytes=1000-"]
    assert "Signature" not in result.stdout + result.stderr
    assert "versionId" not in result.stdout + result.stderr


async def test_a_broken_download_begins_anew(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """Where another file may be there by now, halves of two are not put together."""
    machine.fake("sleep")
    url = web.url("/no-range/file")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert web.ranges == [None, None]


async def test_a_server_that_knows_no_ranges(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """It gives all of the file, which is then begun anew."""
    machine.fake("sleep")
    url = web.url("/no-range/file")
    result = await machine.run("download-file.sh", "", url, str(target), CHECKSUM)
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT


async def test_a_server_that_is_not_there_fails(
    machine: Machine, client: str, target: Path
) -> None:
    """With the reason, and no secret."""
    with WebServer() as web:
        url = web.url("/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert "refused" in failed(result, target).lower() or client == "curl"
    assert not target.exists()


async def test_stopped_in_the_middle_leaves_nothing(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """Its temporary file goes too."""
    url = web.url("/slow/file")
    request = machine.request("download-file.sh", "", url, str(target))
    runner = machine.runner
    stop = asyncio.Event()
    running = asyncio.ensure_future(runner.run(request, machine.note, stop))
    await asyncio.to_thread(web.begun.wait, 10)
    assert len(list(target.parent.iterdir())) == 1
    stop.set()
    result = await asyncio.wait_for(running, 5)
    assert result.outcome is RunOutcome.STOPPED
    assert list(target.parent.iterdir()) == []


async def test_downloads_as_the_user(
    machine: Machine, client: str, web: WebServer, target: Path
) -> None:
    """The file is the user's."""
    machine.provide_real("setpriv")
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "nobody", url, str(target))
    assert result.exit_status == 0, result.stderr
    assert target.owner() == "nobody"


@pytest.mark.usefixtures("curl")
async def test_the_user_may_not_write_everywhere(
    machine: Machine, web: WebServer
) -> None:
    """Where only root may, a user's download fails before it begins."""
    machine.provide_real("setpriv")
    target = machine.folder / "closed" / "file.bin"
    target.parent.mkdir(mode=0o755)
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "nobody", url, str(target))
    failed(result, target)
    assert web.requests == []


# Checksums


@pytest.mark.usefixtures("curl")
@pytest.mark.parametrize(
    "checksum", [f"sha256:{CHECKSUM}", CHECKSUM, f"sha256:{CHECKSUM.upper()}", ""]
)
async def test_a_checksum_that_fits(
    machine: Machine, web: WebServer, target: Path, checksum: str
) -> None:
    """In any of its forms; an empty one is a parameter that is not set."""
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target), checksum)
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT


@pytest.mark.usefixtures("curl")
async def test_a_checksum_that_does_not_fit(
    machine: Machine, web: WebServer, target: Path
) -> None:
    """The file that was there stays, and both are told."""
    target.write_text("before")
    wrong = "0" * 64
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target), wrong)
    assert f"the SHA-256 is {CHECKSUM}, not {wrong}" in failed(result, target)
    assert target.read_text() == "before"


@pytest.mark.usefixtures("curl")
@pytest.mark.parametrize("checksum", ["sha256:", "md5:abc", "12ab", "g" * 64, "-"])
async def test_a_checksum_that_is_none_downloads_nothing(
    machine: Machine, web: WebServer, target: Path, checksum: str
) -> None:
    """It is wrong before anything is fetched."""
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target), checksum)
    failed(result, target)
    assert result.exit_status == 2
    assert web.requests == []


# Targets


@pytest.mark.usefixtures("curl")
async def test_a_file_that_was_there_keeps_mode_and_owner(
    machine: Machine, web: WebServer, target: Path
) -> None:
    """A service that reads it can still do so."""
    target.write_text("before")
    target.chmod(0o640)
    shutil.chown(target, "nobody", "nogroup")
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o640
    assert (target.owner(), target.group()) == ("nobody", "nogroup")


@pytest.mark.usefixtures("curl")
async def test_a_link_stays_a_link(
    machine: Machine, web: WebServer, target: Path
) -> None:
    """What it leads to is what is replaced."""
    real = machine.folder / "real.bin"
    real.write_text("before")
    target.symlink_to(real)
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 0, result.stderr
    assert target.is_symlink()
    assert real.read_bytes() == CONTENT


@pytest.mark.usefixtures("curl")
async def test_a_relative_path_is_below_the_users_home(
    machine: Machine, web: WebServer
) -> None:
    """Wherever the agent was started."""
    url = web.url("/a/file.bin")
    home = machine.folder / "home"
    home.mkdir()
    machine.fake("getent", f"echo root:x:0:0::{home}:/bin/sh")
    result = await machine.run("download-file.sh", "root", url, "file.bin")
    assert result.exit_status == 0, result.stderr
    assert (home / "file.bin").read_bytes() == CONTENT


@pytest.mark.usefixtures("curl")
async def test_names_with_spaces_and_quotes(
    machine: Machine, web: WebServer, target: Path
) -> None:
    """A path is one argument, whatever is in it."""
    file = target.parent / 'it\'s a "name" $(id) *'
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(file))
    assert result.exit_status == 0, result.stderr
    assert file.read_bytes() == CONTENT


@pytest.mark.usefixtures("curl")
async def test_replaces_nothing_that_is_no_file(
    machine: Machine, web: WebServer, target: Path
) -> None:
    """Such as the device that takes whatever is written to it."""
    os.mkfifo(target)
    url = web.url("/a/file.bin")
    result = await machine.run("download-file.sh", "", url, str(target))
    assert f"{target} is not a regular file" in failed(result, target)
    assert target.is_fifo()
    assert web.requests == []


@pytest.mark.usefixtures("curl")
@pytest.mark.parametrize("file", ["no-such-folder/file", "no-such-folder/", ""])
async def test_makes_no_folder(
    machine: Machine, web: WebServer, target: Path, file: str
) -> None:
    """A path that is wrong is not made right."""
    path = f"{target.parent}/{file}" if file else ""
    result = await machine.run("download-file.sh", "", web.url("/a/file.bin"), path)
    failed(result, target)
    assert list(target.parent.iterdir()) == []
    assert web.requests == []


# Arguments


@pytest.mark.usefixtures("curl")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "--version",
        "example.com/file",
        "http:/127.0.0.1:1/file",
        "http://",
        "http:///file",
        "http://127.0.0.1 /?Signature=x",
        "http://a b:Signature@127.0.0.1:1/file",
        "http://127.0.0.1:1/a\tb?Signature=x",
        "http://127.0.0.1:1/a\nb?Signature=x",
        "gopher://http://127.0.0.1:1/file",
        "JAVASCRIPT://127.0.0.1:1/file",
    ],
)
async def test_refuses_what_is_not_a_url(
    machine: Machine, target: Path, url: str
) -> None:
    """Options, local files, and what could be two."""
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 2
    assert "Signature" not in result.stderr
    assert not target.exists()


@pytest.mark.usefixtures("curl")
@pytest.mark.parametrize(
    "path", ["/", "/a/", "", "/a/..", "/a/%2e%2E", "/a/%2e", "/a/?/name"]
)
async def test_a_url_without_a_name_needs_a_file(
    machine: Machine, web: WebServer, target: Path, path: str
) -> None:
    """A directory alone does not say what the file is called."""
    url = web.url(path)
    result = await machine.run("download-file.sh", "", url, str(target.parent))
    assert result.exit_status == 2
    assert "the URL has no file name" in failed(result, target)


@pytest.mark.usefixtures("curl")
async def test_a_password_in_the_url_is_not_told(
    machine: Machine, web: WebServer, target: Path
) -> None:
    """Neither on success nor on failure."""
    for path in ("/a/file.bin", "/missing/file"):
        url = web.url(path).replace("://", "://me:secret@")
        result = await machine.run("download-file.sh", "", url, str(target))
        assert "secret" not in result.stdout + result.stderr
        assert "127.0.0.1" in result.stdout + result.stderr


@pytest.mark.parametrize("args", [(), ("http://127.0.0.1/a",), ("a", "b", "c", "d")])
async def test_the_number_of_arguments(machine: Machine, args: tuple[str, ...]) -> None:
    """Two or three, behind the user."""
    result = await machine.run("download-file.sh", "", *args)
    assert result.exit_status == 2


async def test_without_a_program_it_says_so(machine: Machine, target: Path) -> None:
    """As the Device Client's does."""
    url = "http://127.0.0.1:1/a"
    result = await machine.run("download-file.sh", "", url, str(target))
    assert result.exit_status == 1
    assert "there is neither curl nor wget" in failed(result, target)


# Servers that nobody vouches for


@pytest.fixture
def tls_context(open_path: Path) -> ssl.SSLContext:
    """Return the identity of a server that no system trusts."""
    server = CertificateAuthority().server("127.0.0.1")
    file = open_path / "server.pem"
    file.write_bytes(server.certificate + server.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    # BusyBox knows only old ciphers.
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


async def test_an_unknown_server_gives_no_file(
    machine: Machine, client: str, tls_context: ssl.SSLContext, target: Path
) -> None:
    """Nobody knows what it is that it sends."""
    with WebServer(tls_context) as web:
        url = web.url("/a/file.bin")
        result = await machine.run("download-file.sh", "", url, str(target))
    told = failed(result, target)
    if client == "busybox wget":
        assert "this wget cannot check the server's certificate" in told
        assert len(web.requests) == 1
    else:
        assert "certificate" in told
        assert web.requests == []
    assert not target.exists()


async def test_a_checksum_vouches_where_wget_cannot(
    machine: Machine, tls_context: ssl.SSLContext, target: Path
) -> None:
    """BusyBox's has no way to check a certificate."""
    use(machine, "busybox wget")
    with WebServer(tls_context) as web:
        url = web.url("/a/file.bin")
        result = await machine.run("download-file.sh", "", url, str(target), CHECKSUM)
    assert result.exit_status == 0, result.stderr
    assert target.read_bytes() == CONTENT
