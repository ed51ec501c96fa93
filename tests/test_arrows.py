"""Who may import whom: Home Assistant's modules -> `jobs` -> {`aws_iot`, `runner`}.

Never back, and `aws_iot` and `runner` know nothing of each other.

Home Assistant's modules may import what they like.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
import sys

import pytest

INTEGRATION = Path(__file__).parents[1] / "custom_components" / "aws_iot_jobs"
RUNNER = sorted((INTEGRATION / "runner").rglob("*.py"))
AWS_IOT = sorted((INTEGRATION / "aws_iot").rglob("*.py"))
JOBS = sorted((INTEGRATION / "jobs").rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """Yield the names of all that a file imports, wherever in it.

    What is imported relatively is named from the integration's folder: `./jobs/model`.
    """
    folders = file.relative_to(INTEGRATION).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            above = folders[: len(folders) - node.level + 1]
            module = (node.module or "").split(".") if node.module else []
            for alias in node.names:
                yield "/".join([".", *above, *(module or [alias.name])])


def foreign(file: Path, *allowed: str) -> list[str]:
    """Return what a file imports besides the standard library and what is allowed."""
    return [
        name
        for name in imported(file)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(
            name == one or name.startswith((f"{one}.", f"{one}/")) for one in allowed
        )
    ]


def named(file: Path) -> str:
    """Name a test after its file."""
    return str(file.relative_to(INTEGRATION))


@pytest.mark.parametrize("file", RUNNER, ids=named)
def test_runner_imports_the_standard_library_aiohttp_and_itself(file: Path) -> None:
    """It is all the code in the app, where it is called otherwise: relatively, then."""
    assert foreign(file, "aiohttp", "./runner") == []


@pytest.mark.parametrize("file", AWS_IOT, ids=named)
def test_aws_iot_imports_the_sdk_and_itself(file: Path) -> None:
    """Whom to trust, and what makes a key. It knows neither what a job nor a step is."""
    assert (
        foreign(file, "awscrt", "awsiot", "certifi", "cryptography", "./aws_iot") == []
    )


@pytest.mark.parametrize("file", JOBS, ids=named)
def test_jobs_imports_nothing_of_home_assistant(file: Path) -> None:
    """But AWS IoT below it, and of runner the interface, and what the machine is."""
    assert (
        foreign(
            file,
            "aiofiles",
            "awesomeversion",
            "mashumaro",
            "voluptuous",
            "./jobs",
            "./aws_iot",
            "./runner/model",
            "./runner/system",
        )
        == []
    )


def test_an_import_against_the_arrows_is_found() -> None:
    """However it is written."""
    file = INTEGRATION / "runner" / "model.py"
    assert RUNNER
    assert AWS_IOT
    assert JOBS
    assert file in RUNNER
    assert set(imported(file)) == {
        "asyncio",
        "collections.abc",
        "dataclasses",
        "datetime",
        "enum",
        "typing",
    }
    agent = set(imported(INTEGRATION / "jobs" / "agent.py"))
    assert {"./runner/model", "./runner/system", "./jobs/model", "asyncio"} <= agent
    assert foreign(INTEGRATION / "__init__.py", "homeassistant")
