"""The secrets of a thing on disk."""

from collections.abc import Iterator
from pathlib import Path
import stat
from typing import Any

import pytest

from custom_components.aws_iot_jobs.const import CONF_PRIVATE_KEY, CONF_RUNNER_TOKEN
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

_REAL_STORE = {
    name: getattr(Store, name)
    for name in ("_async_load", "_async_write_data", "async_remove")
}


@pytest.fixture
def storage_on_disk(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> Iterator[Path]:
    """Have Home Assistant store to disk, which it does not do in other tests."""
    # Undone before the other tests' way, which is below.
    with pytest.MonkeyPatch.context() as patched:
        for name, method in _REAL_STORE.items():
            patched.setattr(Store, name, method)
        yield Path(hass.config.path(".storage"))


async def test_secrets(hass: HomeAssistant, storage_on_disk: Path) -> None:
    """They are in a file that only its owner can read, until they are removed."""
    store = SecretStore(hass, "thing:1")
    assert await store.async_load() == {}
    await store.async_update({CONF_PRIVATE_KEY: "secret"})
    await store.async_update({CONF_RUNNER_TOKEN: "old"})
    await store.async_update({CONF_RUNNER_TOKEN: "new"})
    (file,) = storage_on_disk.iterdir()
    assert "secret" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await SecretStore(hass, "thing:1").async_load() == {
        CONF_PRIVATE_KEY: "secret",
        CONF_RUNNER_TOKEN: "new",
    }
    assert await SecretStore(hass, "thing:2").async_load() == {}
    await store.async_remove()
    assert not list(storage_on_disk.iterdir())
    assert await SecretStore(hass, "thing:1").async_load() == {}
