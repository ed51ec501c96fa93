"""A test that is skipped in continuous integration has failed.

What is right to skip elsewhere (another system, another user, a program that is not there)
is there all the same where it is decided about a change.
"""

from collections.abc import Generator, Iterator
import contextlib
import os

import pytest

_WORDS = "skipped, which is a failure in CI"


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None]:
    """Fail what its marks or its fixtures skip."""
    with _no_skip():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None]:
    """Fail what skips itself."""
    with _no_skip():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    """Fail a module that skips itself."""
    report = yield
    if report.skipped and _in_ci():
        report.outcome = "failed"
        report.longrepr = f"{_WORDS}: {report.longrepr}"
    return report


@contextlib.contextmanager
def _no_skip() -> Iterator[None]:
    try:
        yield
    except pytest.skip.Exception as skipped:
        if not _in_ci():
            raise
        raise pytest.fail.Exception(f"{_WORDS}: {skipped.msg}", pytrace=False) from None
