"""Which files run at all: programs for this system, and scripts. Anything else is told."""

import bz2
import gzip
import io
import lzma
import os
from pathlib import Path
import platform
import random
import re
import shutil
import sys
import tarfile
import zipfile

import pytest

from custom_components.aws_iot_jobs.runner.model import RunOutcome, RunResult

from .bench import Bench

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be several users"
)
SCRIPT = b"#!/bin/sh\necho ran\n"
BARE = b"echo ran\n"
WINDOWS = "has Windows line ends (CR LF); save it with those of Unix (LF alone)"
EXPECTED = "expected a program for this system, or a script"
ONE_FOR_THIS = f"expected one for {platform.machine()}"


def program(*, machine: int | None = None, kind: int | None = None) -> bytes:
    """Return the beginning of this Python's program, for another machine or of another kind."""
    head = bytearray(Path(sys.executable).read_bytes()[:4096])
    order = "big" if head[5] == 2 else "little"
    if machine is not None:
        head[18:20] = machine.to_bytes(2, order)  # type: ignore[arg-type]
    if kind is not None:
        head[16:18] = kind.to_bytes(2, order)  # type: ignore[arg-type]
    return bytes(head)


def zip_of(content: bytes) -> bytes:
    """Return a zip archive with a script in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.sh", content)
    return packed.getvalue()


def tar_of(content: bytes) -> bytes:
    """Return a tar archive with a script in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("x.sh")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def another_machine() -> tuple[int, str]:
    """Return the number and the name of a machine that this one is not."""
    return (183, "aarch64") if platform.machine() != "aarch64" else (62, "x86_64")


NUMBER, NAME = another_machine()
REFUSED = {
    "empty": (b"", f"is empty; {EXPECTED}"),
    "blank": (b" \n\r\n", f"is empty; {EXPECTED}"),
    "utf-16": (SCRIPT.decode().encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "utf-16-be": (
        b"\xfe\xff" + BARE.decode().encode("utf-16-be"),
        "is UTF-16 text; save it as UTF-8",
    ),
    "utf-16 without a mark": (
        SCRIPT.decode().encode("utf-16-le"),
        "is UTF-16 text; save it as UTF-8",
    ),
    "utf-32": (SCRIPT.decode().encode("utf-32"), "is UTF-32 text; save it as UTF-8"),
    "mark": (
        b"\xef\xbb\xbf" + SCRIPT,
        "begins with a byte order mark; save it as UTF-8 without one",
    ),
    "mark before a bare script": (
        b"\xef\xbb\xbf" + BARE,
        "begins with a byte order mark; save it as UTF-8 without one",
    ),
    "another machine": (
        program(machine=NUMBER),
        f"is a program for another kind of machine ({NAME}); {ONE_FOR_THIS}",
    ),
    "unknown machine": (
        program(machine=9999),
        f"is a program for another kind of machine (number 9999); {ONE_FOR_THIS}",
    ),
    "zip": (zip_of(SCRIPT), f"is a zip archive; {EXPECTED}"),
    "zip without a zero": (
        b"PK\x03\x04\x14\x03\x02\x02\x08x.sh",
        f"is a zip archive; {EXPECTED}",
    ),
    "archive of text": (
        b"!<arch>\nx.sh/           1700000000  0     0     100644  9         `\necho ran\n",
        f"is a Debian package or another archive of ar; {EXPECTED}",
    ),
    "PDF of text": (b"%PDF-1.4\n1 0 obj\n", f"is a PDF document; {EXPECTED}"),
    "tar": (tar_of(SCRIPT), f"is a tar archive; {EXPECTED}"),
    "gzip": (gzip.compress(SCRIPT), f"is a file compressed with gzip; {EXPECTED}"),
    "bzip2": (bz2.compress(SCRIPT), f"is a file compressed with bzip2; {EXPECTED}"),
    "xz": (lzma.compress(SCRIPT), f"is a file compressed with xz; {EXPECTED}"),
    "Debian package": (
        b"!<arch>\ndebian-binary   1700000000  0     0     100644  4         `\n2.0\n\0",
        f"is a Debian package or another archive of ar; {EXPECTED}",
    ),
    "Windows": (b"MZ\x90\0\3\0\0\0", f"is a program for Windows; {EXPECTED}"),
    "noise": (
        b"\x01" + random.Random(1).randbytes(500),
        f"is neither text nor a program that this system knows; {EXPECTED}",
    ),
    "short noise": (
        b"\x01\xff\x02",
        f"is neither text nor a program that this system knows; {EXPECTED}",
    ),
    "web page": (
        b"\n<!DOCTYPE html>\n<html></html>\n",
        f"is a web page or another XML document; {EXPECTED}",
    ),
    "Windows line ends": (b"#!/bin/sh\r\necho ran\r\n", WINDOWS),
    "Windows line ends of env": (b"#!/usr/bin/env bash\r\necho ran\r\n", WINDOWS),
    "Windows line ends of an option": (b"#!/bin/sh -e\r\necho ran\r\n", WINDOWS),
    "Windows line ends after a space": (b"#! /bin/sh \r\necho ran\r\n", WINDOWS),
    "Windows line ends, nothing else": (b"#!/bin/sh\r", WINDOWS),
    "Windows line ends, bare": (b"# a comment\r\necho ran\r\n", WINDOWS),
}
WITHOUT_A_LOOK = (
    "zip",
    "another machine",
    "empty",
    "utf-16",
    "Windows line ends, bare",
)


def place(bench: Bench, content: bytes) -> Path:
    """Put a handler there that has a content."""
    file = bench.handler("x.sh", "")
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("name", REFUSED)
async def test_what_can_run_nowhere_is_refused_in_words(
    bench: Bench, name: str
) -> None:
    """As a handler and as a command: no shell makes something of it."""
    content, words = REFUSED[name]
    file = place(bench, content)
    refused = RunResult(outcome=RunOutcome.REFUSED, detail=f"{file} {words}")
    assert await bench.handle("x.sh") == refused
    assert await bench.command(str(file)) == refused


@needs_root
@pytest.mark.parametrize("name", WITHOUT_A_LOOK)
async def test_what_becomes_another_user_has_no_shell_run_it(
    bench: Bench, name: str
) -> None:
    """By itself, setpriv would."""
    content, words = REFUSED[name]
    file = place(bench, content)
    result = await bench.command(str(file), run_as_user="nobody")
    assert (result.outcome, result.detail) == (RunOutcome.REFUSED, f"{file} {words}")


@pytest.mark.parametrize("name", ["empty", "zip", "Windows line ends of env"])
async def test_what_is_found_on_path_is_looked_at_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By its name alone it is the same file."""
    content, words = REFUSED[name]
    file = bench.directory / "tool"
    file.write_bytes(content)
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bench.directory}:{os.environ['PATH']}")
    for result in (await bench.command("tool"), await bench.handle("tool", path="")):
        assert (result.outcome, result.detail) == (
            RunOutcome.REFUSED,
            f"{file} {words}",
        )


@pytest.mark.parametrize(
    ("content", "output"),
    [
        (BARE, "ran\n"),
        (b"echo ran", "ran\n"),
        (b"# gr\xfc\xdfe\necho ran\n", "ran\n"),
        ("# grüße 😀\necho ran\n".encode(), "ran\n"),
        (b"\n\n  #!/bin/sh\necho ran\n", "ran\n"),
        (b"#!\necho ran\n", "ran\n"),
        (b"# \x1b[1mbold\x1b[m\necho ran\n", "ran\n"),
        (b"tr -d '\x01' <<end\nra\x01n\nend\n", "ran\n"),
        (SCRIPT + b"exit\n\0\xff\x01", "ran\n"),
        (b"echo ran\ncat >/dev/null <<end\nwindows\r\nend\n", "ran\n"),
        (b"#!/usr/bin/env -S sh\r\necho ran\r\n", "ran\n"),
    ],
)
async def test_what_is_a_script_runs(bench: Bench, content: bytes, output: str) -> None:
    """Whatever its language, its line ends and what is behind its end."""
    place(bench, content)
    result = await bench.handle("x.sh")
    assert (result.outcome, result.exit_status) == (RunOutcome.EXITED, 0), result
    assert result.stdout.replace("\r", "") == output


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl")
async def test_an_interpreter_that_takes_windows_line_ends_may_have_them(
    bench: Bench,
) -> None:
    """Perl does, in its options and in the rest."""
    place(bench, b'#!/usr/bin/perl -w\r\nprint "ran\\n";\r\n')
    assert (await bench.handle("x.sh")).stdout == "ran\n"


async def test_a_large_text_is_cut_anywhere(bench: Bench) -> None:
    """Only its beginning is looked at, which may end within a character."""
    for shift in range(4):
        place(bench, b"#" * shift + "#😀".encode() * 4000 + b"\necho ran\n")
        assert (await bench.handle("x.sh")).stdout == "ran\n"


@pytest.mark.parametrize(
    "line", [b"#!/" + b"long/" * 80 + b"python3\n", b"#!bin/python3\n"]
)
async def test_an_interpreter_line_that_leads_nowhere_makes_no_shell_script(
    bench: Bench, line: bytes
) -> None:
    """What is written for one interpreter is not for another."""
    place(bench, line + b"echo ran\n")
    result = await bench.handle("x.sh")
    assert result.outcome is RunOutcome.REFUSED
    assert "interpreter" in result.detail


async def test_a_script_whose_interpreter_is_no_program_is_refused(
    bench: Bench,
) -> None:
    """The system takes the interpreter for what it cannot run."""
    interpreter = bench.handlers / "interpreter"
    interpreter.write_bytes(zip_of(SCRIPT))
    interpreter.chmod(0o700)
    file = place(bench, f"#!{interpreter}\necho ran\n".encode())
    result = await bench.handle("x.sh")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail == (
        f"{file} has an interpreter line that this system cannot follow: it is too long, "
        "or what it names is no program"
    )


async def test_a_damaged_program_is_told(bench: Bench) -> None:
    """One for this machine, but a part of one, as a compiler makes it."""
    file = place(bench, program(kind=1))
    result = await bench.handle("x.sh")
    assert (result.outcome, result.detail) == (
        RunOutcome.REFUSED,
        f"{file} is a program that is damaged, or a part of one; {EXPECTED}",
    )


async def test_a_program_for_another_c_library_is_told(bench: Bench) -> None:
    """Its loader is missing, which the system calls a file that does not exist."""
    found = shutil.which("true")
    assert found is not None
    content = re.sub(rb"/ld-(linux|musl)", rb"/no-\1", Path(found).read_bytes())
    file = place(bench, content)
    result = await bench.handle("x.sh")
    assert result.outcome is RunOutcome.REFUSED
    assert result.detail == (
        f"{file} cannot be run: the loader that it names does not exist; it is a program "
        "for another system, or for another C library"
    )


async def test_a_directory_is_no_command(bench: Bench) -> None:
    """Which is said rather than that it is missing."""
    result = await bench.command(str(bench.handlers))
    assert (result.outcome, result.detail) == (
        RunOutcome.REFUSED,
        f"there is no command '{bench.handlers}': it is a directory",
    )
