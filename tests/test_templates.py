"""AWS's eight managed templates, from a local AWS through a real Home Assistant.

The handlers are the real ones. What must not really happen here is done by programs of the
same names that come first on PATH and only say what they were asked.
"""

from collections.abc import Iterator, Mapping
import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
TEMPLATES = REPOSITORY / "tests" / "templates"
NAMES = (
    "AWS-Download-File",
    "AWS-Install-Application",
    "AWS-Reboot",
    "AWS-Remove-Application",
    "AWS-Restart-Application",
    "AWS-Run-Command",
    "AWS-Start-Application",
    "AWS-Stop-Application",
)
PROGRAMS = {
    "apt-get": 'echo "apt-get $*"',
    "dpkg-query": 'echo "install ok installed"',
    "service": 'echo "service $*"',
    "systemctl": "exit 1",
}
# Only this handler is not the real one: it waits until the machine is gone.
REBOOT = '#!/bin/sh\necho "would reboot for <$1>"\n'

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("templates"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a file on loopback; return its address as AWS would sign it."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "firmware.bin").write_text("firmware")
    server = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(server, cwd=folder, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        try:
            port = it.stdout.readline().split(" port ")[1].split()[0]
            yield f"http://127.0.0.1:{port}/firmware.bin?X-Amz-Signature=5"
        finally:
            it.terminate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where everything of this run is."""
    return tmp_path_factory.mktemp("templates")


@pytest.fixture(scope="module")
def results(folder: Path, firmware: str) -> Mapping[str, Mapping[str, Any]]:
    """Run the eight templates; return how AWS describes each of them."""
    documents = _documents(folder, firmware)
    arguments: list[str | Path] = ["--once", "--json", "--handlers", _handlers(folder)]
    for name in NAMES:
        arguments += ["--document", documents[name]]
    ended = subprocess.run(
        [REPOSITORY / "scripts" / "demo", *arguments],
        env=os.environ | {"PATH": f"{_programs(folder)}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ended.returncode == 0
    lines = map(json.loads, ended.stdout.splitlines())
    return dict(zip(NAMES, lines, strict=True))


def test_the_download_is_there(
    results: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Whole, under its name."""
    assert results["AWS-Download-File"]["status"] == "SUCCEEDED"
    assert (folder / "firmware.bin").read_text() == "firmware"


@pytest.mark.parametrize("name", NAMES)
def test_a_managed_template_succeeds(
    results: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    """Rendered with its optional parameters unset."""
    assert results[name]["status"] == "SUCCEEDED", results[name]["statusDetails"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("AWS-Remove-Application", ["lftp is not installed."]),
        ("AWS-Reboot", ["would reboot for <>"]),
        ("AWS-Run-Command", ["Hello, World! from a template"]),
        ("AWS-Start-Application", ["service web start", "service db start"]),
        ("AWS-Stop-Application", ["service web stop", "service db stop"]),
        ("AWS-Restart-Application", ["service web restart", "service db restart"]),
    ],
)
def test_a_managed_template_does_what_it_says(
    results: Mapping[str, Mapping[str, Any]], name: str, lines: list[str]
) -> None:
    """The packages and services of its one argument are told apart."""
    said = results[name]["statusDetails"]["stdout"].splitlines()
    assert set(lines) <= set(said)


def test_all_packages_are_installed_at_once(
    results: Mapping[str, Mapping[str, Any]],
) -> None:
    """By the package manager that is there."""
    said = results["AWS-Install-Application"]["statusDetails"]["stdout"]
    assert re.search(r"apt-get .*install.* lftp dos2unix", said)


def _handlers(folder: Path) -> Path:
    directory = folder / "handlers"
    shutil.copytree(REPOSITORY / "handlers", directory)
    (directory / "reboot.sh").write_text(REBOOT)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o700)
    return directory


def _programs(folder: Path) -> Path:
    programs = folder / "programs"
    programs.mkdir(mode=0o755)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    return programs


def _documents(folder: Path, firmware: str) -> dict[str, Path]:
    """Write the documents; they want their output back, and this server's file."""
    written = {}
    for name in NAMES:
        document = json.loads((TEMPLATES / f"{name}.unset.json").read_text())
        document["includeStdOut"] = True
        if name == "AWS-Download-File":
            target = str(folder / "firmware.bin")
            document["steps"][0]["action"]["input"]["args"] = [firmware, target]
        written[name] = folder / f"{name}.json"
        written[name].write_text(json.dumps(document))
    return written
