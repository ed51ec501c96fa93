"""Adding an integration through its own dialog, as the page does it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .client import Client

FLOW_PATH = "/api/config/config_entries/flow"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a field of the dialog."""

    name: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A config entry: `state` is "loaded" when all is well, otherwise `reason` may say why."""

    entry_id: str
    title: str
    state: str
    reason: str | None


class ConfigFlowError(Exception):
    """The dialog has something to say. `errors` has it in words, by field ("base" for all)."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        """Take what is wrong, by field."""
        super().__init__(
            "; ".join(f"{name}: {words}" for name, words in errors.items())
        )
        self.errors = errors


async def add_integration(
    client: Client,
    domain: str,
    fields: Mapping[str, Any],
    choices: Collection[str] = (),
) -> Entry:
    """Fill in an integration's dialog and return the entry that it makes.

    `fields` are those of all its forms by their names; in a menu, the step that is in
    `choices` is taken, else the first. Raises ConfigFlowError if it does not make an entry.
    """
    answer = await client.request("POST", FLOW_PATH, json={"handler": domain})
    seen: set[str] = set()
    while answer["type"] in ("form", "menu") and answer["step_id"] not in seen:
        seen.add(answer["step_id"])
        flow = f"{FLOW_PATH}/{answer['flow_id']}"
        values = await _values(client, answer, fields, choices)
        answer = await client.request("POST", flow, json=values)
    if answer["type"] != "create_entry":
        complaints = await _complaints(client, domain, answer)
        if answer["type"] in ("form", "menu"):
            await client.request("DELETE", f"{FLOW_PATH}/{answer['flow_id']}")
        raise ConfigFlowError(complaints)
    return await get_entry(client, answer["result"]["entry_id"])


async def _values(
    client: Client,
    asked: Mapping[str, Any],
    fields: Mapping[str, Any],
    choices: Collection[str],
) -> dict[str, Any]:
    """Return what a form or a menu is answered with."""
    if asked["type"] == "menu":
        chosen = [option for option in asked["menu_options"] if option in choices]
        return {"next_step_id": chosen[0] if chosen else asked["menu_options"][0]}
    names = {field["name"] for field in asked["data_schema"]}
    return {
        name: await _upload(client, value) if isinstance(value, Upload) else value
        for name, value in fields.items()
        if name in names
    }


async def get_entry(client: Client, entry_id: str) -> Entry:
    """Return a config entry as it is now."""
    answer = await client.call("config_entries/get_single", entry_id=entry_id)
    found = answer["config_entry"]
    return Entry(
        entry_id=entry_id,
        title=found["title"],
        state=found["state"],
        reason=found["reason"],
    )


async def _upload(client: Client, upload: Upload) -> str:
    form = aiohttp.FormData()
    form.add_field("file", upload.content.encode(), filename=upload.name)
    answer = await client.request("POST", "/api/file_upload", data=form)
    file_id: str = answer["file_id"]
    return file_id


async def _complaints(
    client: Client, domain: str, answer: Mapping[str, Any]
) -> dict[str, str]:
    """Return what an answer that makes no entry says, in the dialog's words."""
    translations = (
        await client.call(
            "frontend/get_translations",
            language="en",
            category="config",
            integration=domain,
        )
    )["resources"]
    if answer["type"] == "abort":
        keys = {"base": f"abort.{answer['reason']}"}
    else:
        keys = {
            name: f"error.{error}" for name, error in (answer["errors"] or {}).items()
        }
    placeholders = answer.get("description_placeholders") or {}
    return {
        name: _fill(
            translations.get(f"component.{domain}.config.{key}", key), placeholders
        )
        for name, key in keys.items()
    } or {"base": f"the dialog asks for more, at its step {answer.get('step_id')!r}"}


def _fill(words: str, placeholders: Mapping[str, str]) -> str:
    for name, value in placeholders.items():
        words = words.replace(f"{{{name}}}", value)
    return words
