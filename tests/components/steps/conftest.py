"""What the steps' tests need."""

from collections.abc import AsyncIterator, Iterator
import logging

import pytest

from homeassistant.config_entries import ConfigEntry

from ..fake_agent import FakeAgent
from .bucket import Bucket


@pytest.fixture
def quiet_database() -> Iterator[None]:
    """Let no recorder that is made from now on log each query, be it between two tests."""
    logger = logging.getLogger("sqlalchemy.engine")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


@pytest.fixture
def loaded(agent: FakeAgent, entry: ConfigEntry) -> ConfigEntry:
    """Return the entry of a thing that is set up."""
    return entry


@pytest.fixture
async def bucket(socket_enabled: None) -> AsyncIterator[Bucket]:
    """Have something that takes files."""
    async with Bucket() as bucket:
        yield bucket
