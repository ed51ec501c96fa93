"""A bench for each test, and the proof that nothing is left of what ran on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
import tempfile

import pytest

from .bench import Bench
from .processes import children, descriptors


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Return a new directory that all users of this system may pass."""
    with tempfile.TemporaryDirectory(prefix="aws-iot-jobs-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def bench(open_path: Path) -> Bench:
    """Return a runner with directories of its own."""
    return Bench(open_path)


@pytest.fixture
def impatient(open_path: Path) -> Bench:
    """Return a runner with little grace time."""
    return Bench(open_path, grace=0.2)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Require that no child, no zombie and no file descriptor outlives a test."""
    open_before, children_before = descriptors(), children()
    yield
    assert children() <= children_before
    assert descriptors() == open_before
