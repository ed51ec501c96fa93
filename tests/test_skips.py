"""What is skipped is told, and in continuous integration it is a failure."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]

SKIPPING = """
import pytest

@pytest.mark.skipif(True, reason="by a mark")
def test_marked(): ...

@pytest.fixture
def fixture():
    pytest.skip("by a fixture")

def test_with_a_fixture(fixture): ...

def test_itself():
    pytest.skip("by itself")

@pytest.mark.parametrize("one", [])
def test_of_nothing(one): ...

@pytest.mark.xfail(reason="known", strict=True)
def test_that_is_known_to_fail():
    raise AssertionError

def test_that_passes(): ...
"""


def _pytest(file: Path, **environment: str) -> tuple[int, list[str]]:
    """Run a file of tests in a bare pytest; return its exit status and what it said."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.skips", "-rfEs"),
            *("--rootdir", file.parent, "-c", os.devnull, file),
        ],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return ran.returncode, ran.stdout.splitlines()


@pytest.fixture
def skipping(tmp_path: Path) -> Path:
    """Return a file with every way to skip a test."""
    file = tmp_path / "test_skipping.py"
    file.write_text(SKIPPING)
    return file


def test_a_skip_in_ci_is_a_failure_that_names_the_test(skipping: Path) -> None:
    """With its reason; an expected failure is none."""
    status, said = _pytest(skipping, CI="true")
    assert status == pytest.ExitCode.TESTS_FAILED
    for name, reason in (
        ("test_marked", "by a mark"),
        ("test_with_a_fixture", "by a fixture"),
        ("test_itself", "by itself"),
        ("test_of_nothing", "got empty parameter set"),
    ):
        words = f"{name} - Failed: skipped, which is a failure in CI: {reason}"
        assert any(words in line.replace("[NOTSET]", "") for line in said), name
    assert "1 failed, 1 passed, 1 xfailed, 3 errors in" in said[-1]


def test_elsewhere_a_skip_is_told(skipping: Path) -> None:
    """With its reason, and the run passes."""
    status, said = _pytest(skipping)
    assert status == pytest.ExitCode.OK
    assert len([line for line in said if line.startswith("SKIPPED")]) == 4
    assert any("by a fixture" in line for line in said)
    assert "1 passed, 4 skipped, 1 xfailed in" in said[-1]


def test_a_module_that_skips_itself_in_ci_is_an_error(tmp_path: Path) -> None:
    """It is named too."""
    file = tmp_path / "test_module.py"
    file.write_text("import pytest\npytest.importorskip('no_such_module')\n")
    status, said = _pytest(file, CI="true")
    assert status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert any(line.startswith("ERROR") and file.name in line for line in said)
    assert any("could not import 'no_such_module'" in line for line in said)
