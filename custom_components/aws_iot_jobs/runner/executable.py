"""What a file is that is to be run, and why it cannot. Blocks: not for an event loop.

The system runs programs, and scripts by their interpreter line. What it does not know is a
shell script if it is text; a shell that is given anything else does whatever comes of it.
"""

import codecs
from dataclasses import dataclass
import os
from pathlib import Path
import platform
import sys
from typing import Self

from .model import RunRefusedError

_HEAD_BYTES = 8192
_INTERPRETER_LINE = b"#!"
_INTERPRETER_LINE_BYTES = 256
"""How much of a file Linux looks at for it."""
_WINDOWS_LINE_ENDS = (
    "has Windows line ends (CR LF); save it with those of Unix (LF alone)"
)
_EXPECTED = "expected a program for this system, or a script"

_UNICODE_MARKS = {
    b"\xff\xfe\0\0": "is UTF-32 text; save it as UTF-8",
    b"\0\0\xfe\xff": "is UTF-32 text; save it as UTF-8",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"\xef\xbb\xbf": "begins with a byte order mark; save it as UTF-8 without one",
}
_KINDS = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"\x1f\x8b": "a file compressed with gzip",
    b"BZh": "a file compressed with bzip2",
    b"\xfd7zXZ\0": "a file compressed with xz",
    b"\x28\xb5\x2f\xfd": "a file compressed with zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"!<arch>\n": "a Debian package or another archive of ar",
    b"\xed\xab\xee\xdb": "an RPM package",
    b"%PDF-": "a PDF document",
    b"MZ": "a program for Windows",
    b"\xcf\xfa\xed\xfe": "a program for macOS",
    b"\xca\xfe\xba\xbe": "a program for macOS or Java",
}
_NEVER_SCRIPTS = (b"PK\x03\x04", b"!<arch>\n", b"%PDF-")
"""Marks of what may be text from its first byte to its last."""
_TAR_MARK = slice(257, 262)
_CONTROLS_OF_TEXT = b"\a\b\t\n\v\f\r\x1b"
_WEB_PAGES = (b"<!doctype", b"<html", b"<?xml")

_ELF = b"\x7fELF"
_ELF_MACHINES = {
    2: "sparc",
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    43: "sparc64",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
    258: "loongarch",
}
_ALSO_RUN_BY = {"x86_64": "i386", "aarch64": "arm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """A file to run, and which one it was when it was looked at.

    `changed` is in nanoseconds since the epoch: the number of a file that is removed goes
    to the next one.
    """

    path: Path
    device: int
    inode: int
    changed: int

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the file at an absolute path. Raises OSError."""
        found = path.stat()
        return cls(
            path=path,
            device=found.st_dev,
            inode=found.st_ino,
            changed=found.st_ctime_ns,
        )

    def require_unchanged(self) -> None:
        """Require that it is still that file. Raises RunRefusedError."""
        try:
            is_same = Executable.at(self.path) == self
        except OSError:
            is_same = False
        if not is_same:
            raise RunRefusedError(f"{self.path} was replaced while it was looked at")


def require_runnable(path: Path) -> None:
    """Refuse a file that no system runs. Raises RunRefusedError, OSError."""
    _refuse(path, _why_never(_head(path)))


def require_interpreter(path: Path) -> None:
    """Refuse a script whose interpreter is not there. Raises RunRefusedError, OSError."""
    line, end, _ = _head(path)[:_INTERPRETER_LINE_BYTES].partition(b"\n")
    words = line[len(_INTERPRETER_LINE) :].split(b"\0")[0].split()
    # A relative one depends on where it is started, and a line that is cut names another.
    if not line.startswith(_INTERPRETER_LINE) or not end or not words:
        return
    interpreter = Path(os.fsdecode(words[0]))
    if interpreter.is_absolute() and _is_missing(interpreter):
        raise RunRefusedError(
            f"{path} cannot be run: the interpreter that it names does not exist"
        )


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def require_program_or_script(path: Path) -> None:
    """Refuse what a shell would have to run that is no script.

    For files that are started by what falls back to a shell. Raises RunRefusedError,
    OSError.
    """
    head = _head(path)
    if not head.startswith(_INTERPRETER_LINE) and not _is_program_for_here(head):
        _refuse(path, _why_no_shell_script(head))


def require_shell_script(path: Path) -> None:
    """Refuse a file that the system cannot run and a shell must not.

    Raises RunRefusedError, OSError.
    """
    _refuse(path, _why_no_shell_script(_head(path)))


def is_program(path: Path) -> bool:
    """Tell whether a file is a program, for whatever machine. Raises OSError."""
    return _head(path).startswith(_ELF)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _refuse(path: Path, why: str | None) -> None:
    if why is not None:
        raise RunRefusedError(f"{path} {why}")


def _why_never(head: bytes) -> str | None:
    if not head.strip() and len(head) < _HEAD_BYTES:
        return f"is empty; {_EXPECTED}"
    for mark, words in _UNICODE_MARKS.items():
        if head.startswith(mark):
            return words
    if _is_wide_text(head):
        return "is UTF-16 text; save it as UTF-8"
    return _WINDOWS_LINE_ENDS if _has_windows_interpreter_line(head) else None


def _is_wide_text(head: bytes) -> bool:
    """Tell whether this is ASCII as UTF-16 without a mark: every other byte is 0."""
    some = head[:64]
    evens, odds = some[::2], some[1::2]
    zeros = {evens.count(0), odds.count(0)}
    return len(some) > 1 and zeros == {0, len(odds)} and len(evens) == len(odds)


def _has_windows_interpreter_line(head: bytes) -> bool:
    line = head.split(b"\n", 1)[0]
    if not line.startswith(_INTERPRETER_LINE) or not line.endswith(b"\r"):
        return False
    words = line[2:].replace(b"\t", b" ").strip(b" ")
    interpreter, _, argument = words.partition(b" ")
    name, option = interpreter.rpartition(b"/")[2], argument.lstrip(b" ")
    # These take the carriage return for a space.
    splits = name == b"env" and option.startswith((b"-S", b"-vS", b"--split-string"))
    ignores = name.startswith((b"perl", b"ruby")) and option.startswith(b"-")
    return not splits and not ignores


def _why_no_shell_script(head: bytes) -> str | None:
    if head.startswith(_INTERPRETER_LINE) and head[2:].split(b"\n", 1)[0].strip():
        return (
            "has an interpreter line that this system cannot follow: it is too long, or "
            "what it names is no program"
        )
    if head.startswith(_ELF):
        return _about_program(head)
    if head.startswith(_NEVER_SCRIPTS) or not _is_text(head):
        return f"is {_kind(head)}; {_EXPECTED}"
    if head.lstrip().lower().startswith(_WEB_PAGES):
        return f"is a web page or another XML document; {_EXPECTED}"
    if head.count(b"\r\n") * 2 > head.count(b"\n"):
        return _WINDOWS_LINE_ENDS
    return None


def _kind(head: bytes) -> str:
    """Return what a file is that is no text, as far as its first bytes tell."""
    if head[_TAR_MARK] == b"ustar":
        return "a tar archive"
    found = (kind for mark, kind in _KINDS.items() if head.startswith(mark))
    return next(found, "neither text nor a program that this system knows")


def _is_text(head: bytes) -> bool:
    """Tell whether this is text: UTF-8, or anything else without control characters."""
    if b"\0" in head:
        return False
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return not any(byte < 32 and byte not in _CONTROLS_OF_TEXT for byte in head)
    return True


def _about_program(head: bytes) -> str:
    if _build(head) == _build(_own_head()):
        return f"is a program that is damaged, or a part of one; {_EXPECTED}"
    return (
        f"is a program for another kind of machine ({_machine(head)}); expected one for "
        f"{platform.machine()}"
    )


def _is_program_for_here(head: bytes) -> bool:
    also = _ALSO_RUN_BY.get(platform.machine())
    same = _build(head) == _build(_own_head())
    return head.startswith(_ELF) and (same or _machine(head) == also)


def _own_head() -> bytes:
    """Return the head of what runs this: a program for this system."""
    return _head(Path(sys.executable))


def _build(head: bytes) -> tuple[bytes, bytes]:
    """Return what tells for which systems an ELF file is: width, byte order, machine."""
    return head[4:6], head[18:20]


def _machine(head: bytes) -> str:
    number = int.from_bytes(head[18:20], "big" if head[5:6] == b"\x02" else "little")
    return _ELF_MACHINES.get(number, f"number {number}")
