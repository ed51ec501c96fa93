"""The private key on disk."""

from pathlib import Path
import stat
from typing import Any

import pytest

from custom_components.aws_iot_jobs.storage import PrivateKeyStore
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

_REAL_STORE = {
    name: getattr(Store, name)
    for name in ("_async_load", "_async_write_data", "async_remove")
}


@pytest.fixture
def storage_on_disk(
    hass: HomeAssistant, hass_storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Have Home Assistant store to disk, which it does not do in other tests."""
    for name, method in _REAL_STORE.items():
        monkeypatch.setattr(Store, name, method)
    return Path(hass.config.path(".storage"))


async def test_private_key(hass: HomeAssistant, storage_on_disk: Path) -> None:
    """The key is in a file that only its owner can read, until it is removed."""
    store = PrivateKeyStore(hass, "thing:1")
    assert await store.async_load() is None
    await store.async_save("secret")
    (file,) = storage_on_disk.iterdir()
    assert "secret" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await PrivateKeyStore(hass, "thing:1").async_load() == "secret"
    assert await PrivateKeyStore(hass, "thing:2").async_load() is None
    await store.async_remove()
    assert not list(storage_on_disk.iterdir())
    assert await PrivateKeyStore(hass, "thing:1").async_load() is None
