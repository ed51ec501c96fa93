"""The keys that sign jobs, in the options of a thing."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import (
    CONF_ONLY_SIGNED,
    CONF_SIGNING_KEY_FILE,
    CONF_SIGNING_KEYS,
)
from custom_components.aws_iot_jobs.signing_keys import read_signing_keys
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from ..jobs.test_signed import Private, private_pem, public_pem
from .dialog import Upload, enter_options, errors
from .fake_agent import FakeAgent

KEYS: list[Private] = [
    ed25519.Ed25519PrivateKey.generate(),
    ec.generate_private_key(ec.SECP256R1()),
]
PEMS = [public_pem(key) for key in KEYS]
IDS = [key.id for pem in PEMS for key in read_signing_keys(pem)]


async def _begin(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    return await hass.config_entries.options.async_init(entry.entry_id)


async def test_keys_are_added_and_taken_away(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    agent: FakeAgent,
    agents: list[FakeAgent],
    upload: Upload,
) -> None:
    """Several at once; without any, nobody's signature is known."""
    assert agent.settings.trust.verifier is None
    both = await upload("".join(PEMS).encode(), "both.pem")
    flow = await _begin(hass, entry)
    fields = {
        CONF_SIGNING_KEY_FILE: both,
        CONF_SIGNING_KEYS: [],
        CONF_ONLY_SIGNED: True,
    }
    result = await enter_options(hass, flow, **fields)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options[CONF_SIGNING_KEYS] == PEMS
    trust = agents[-1].settings.trust
    assert trust.only_signed
    assert trust.verifier is not None

    flow = await _begin(hass, entry)
    await enter_options(
        hass, flow, **{CONF_SIGNING_KEYS: IDS[1:], CONF_ONLY_SIGNED: True}
    )
    assert entry.options[CONF_SIGNING_KEYS] == PEMS[1:]
    flow = await _begin(hass, entry)
    await enter_options(hass, flow, **{CONF_SIGNING_KEYS: [], CONF_ONLY_SIGNED: False})
    assert CONF_SIGNING_KEYS not in entry.options
    assert not agents[-1].settings.trust.only_signed


async def test_other_options_leave_them(
    hass: HomeAssistant, entry: MockConfigEntry, upload: Upload
) -> None:
    """What is not touched stays."""
    file = await upload(PEMS[0].encode())
    await enter_options(
        hass, await _begin(hass, entry), **{CONF_SIGNING_KEY_FILE: file}
    )
    await enter_options(hass, await _begin(hass, entry), fence_commands=True)
    assert entry.options[CONF_SIGNING_KEYS] == PEMS[:1]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (private_pem(KEYS[0]), "signing_key_is_private"),
        (b"nothing", "signing_key_unreadable"),
        (b"", "signing_key_unreadable"),
        (
            public_pem(ec.generate_private_key(ec.SECP384R1())).encode(),
            "signing_key_of_other_kind",
        ),
    ],
)
async def test_what_is_no_key_is_told(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    upload: Upload,
    content: bytes,
    error: str,
) -> None:
    """With the file's name; then another one can be chosen."""
    file = await upload(content, "wrong.pem")
    flow = await _begin(hass, entry)
    result = await enter_options(hass, flow, **{CONF_SIGNING_KEY_FILE: file})
    assert errors(result) == {CONF_SIGNING_KEY_FILE: error}
    assert result["description_placeholders"] == {"file": "wrong.pem"}
    right = await upload(PEMS[0].encode())
    await enter_options(hass, result, **{CONF_SIGNING_KEY_FILE: right})
    assert entry.options[CONF_SIGNING_KEYS] == PEMS[:1]


async def test_only_signed_needs_a_key(
    hass: HomeAssistant, entry: MockConfigEntry, upload: Upload
) -> None:
    """Else no job would run at all. What was uploaded beside another fault is not lost."""
    flow = await _begin(hass, entry)
    result = await enter_options(hass, flow, **{CONF_ONLY_SIGNED: True})
    assert errors(result) == {CONF_ONLY_SIGNED: "only_signed_without_keys"}
    file = await upload(PEMS[0].encode())
    fields = {CONF_SIGNING_KEY_FILE: file, CONF_ONLY_SIGNED: True, "history_count": 0}
    result = await enter_options(hass, result, **fields)
    assert errors(result) == {"history_count": "history_count_out_of_range"}
    await enter_options(hass, result, **{CONF_ONLY_SIGNED: True, "history_count": 1})
    assert entry.options[CONF_SIGNING_KEYS] == PEMS[:1]
    assert entry.options[CONF_ONLY_SIGNED]
