"""Tests run side by side, in worker processes of pytest-xdist.

Each process has a folder for temporary files of its own, as some names in there are fixed:
Home Assistant's, of the files that are uploaded. All workers must collect the same tests by
the same names. A test that measures has the machine to itself: the other workers wait for
its end.
"""

from collections.abc import Generator, Iterator
import contextlib
import fcntl
import os
from pathlib import Path
import tempfile

import pytest

# The folder that the workers of a run share.
_SHARED = pytest.StashKey[Path]()
_LONGEST_NAME = 100


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, with the mode of the system's."""
    if hasattr(config, "workerinput"):
        config.stash[_SHARED] = Path(tempfile.gettempdir())
    # pytest's own folders, which stay for a look at them, keep their place.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = tempfile.TemporaryDirectory(prefix="tests-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o1777)
    config.add_cleanup(folder.cleanup)
    os.environ["TMPDIR"] = tempfile.tempdir = folder.name


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by a long value: a key, say, that each worker makes anew."""
    too_long = isinstance(val, str | bytes) and len(val) > _LONGEST_NAME
    return argname if too_long else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Have workers begin with what takes long, and end with what wants to be alone.

    Then by name, as the values of a set, say, are in another order in each worker.
    """
    if _SHARED in config.stash:
        items.sort(
            key=lambda item: (_wants_to_be_alone(item), -_timeout(item), item.nodeid)
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait outside of the test, so that the wait counts for none of its timeouts."""
    if _SHARED not in item.config.stash:
        return (yield)
    with _locked(item.config.stash[_SHARED], alone=_wants_to_be_alone(item)):
        return (yield)


@contextlib.contextmanager
def _locked(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the room, alone or with others; who waits at the door is next.

    A worker that dies has let go of both.
    """
    with (folder / "room").open("a") as room:
        with (folder / "door").open("a") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def _wants_to_be_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def _timeout(item: pytest.Item) -> float:
    """Return the seconds that a test is given, a hint at how long it takes."""
    if (marker := item.get_closest_marker("timeout")) is not None:
        return float(marker.args[0])
    return float(item.config.getini("timeout"))
