"""The secrets of a thing on disk."""

from pathlib import Path
import stat

from custom_components.aws_iot_jobs.const import CONF_PRIVATE_KEY, CONF_RUNNER_TOKEN
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.core import HomeAssistant


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
