"""Tests can run side by side: workers agree on them, and leave each other alone."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]

TESTS = """
import os
from pathlib import Path
import secrets
import tempfile
import time

import pytest

LOG = Path(__file__).with_name("log")

def note(text):
    with LOG.open("a") as log:
        log.write(text + "\\n")

@pytest.mark.alone
@pytest.mark.parametrize("number", range(4))
def test_alone(number):
    note("alone")
    time.sleep(0.2)
    note("alone, ended")

@pytest.mark.parametrize("name", set("abcdefgh"))
def test_of_a_set(name):
    note("quick")

@pytest.mark.parametrize("key", [secrets.token_hex(100), secrets.token_bytes(200)])
def test_of_what_is_made_anew(key):
    note("quick")

@pytest.mark.timeout(61)
@pytest.mark.parametrize("number", range(2))
def test_that_takes_long(number, request):
    note("long " + tempfile.mkdtemp())
"""


@pytest.fixture
def log(tmp_path: Path) -> list[str]:
    """Run the tests above with two workers, and return what they note."""
    file = tmp_path / "test_them.py"
    file.write_text(TESTS)
    plugins = ("xdist", "pytest_timeout", "tests.side_by_side")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *(f"-p{name}" for name in plugins)),
            *("--numprocesses", "2", "--dist", "loadgroup", "--no-loadscope-reorder"),
            *("--rootdir", tmp_path, "-c", os.devnull, "-o", "timeout=60", file),
        ],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == pytest.ExitCode.OK, ran.stdout + ran.stderr
    assert "16 passed" in ran.stdout
    return (tmp_path / "log").read_text().splitlines()


def test_what_wants_to_be_alone_is_alone(log: list[str]) -> None:
    """Neither the others nor its own kind run beside it; and the last are of its kind."""
    begun = [number for number, line in enumerate(log) if line == "alone"]
    assert [log[number + 1] for number in begun] == ["alone, ended"] * 4
    assert log[-4:] == ["alone", "alone, ended"] * 2


def test_what_takes_long_begins(log: list[str]) -> None:
    """One in each worker, and each has a folder of its own for temporary files."""
    first, second = (line for line in log if line.startswith("long "))
    assert {first, second} & set(log[:2])
    assert Path(first).parent != Path(second).parent
    assert not Path(first.removeprefix("long ")).exists()
