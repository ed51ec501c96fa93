"""Adding an integration through its own dialog, as the page does it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .client import Client

FLOW_PATH = "/api/config/config_entries/flow"
PROGRESS_SECONDS = 90
"""How long the dialog may show that something lasts."""
PROGRESS_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a field of the dialog."""

    name: str
    content: str | bytes = field(repr=False)


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
    *,
    progress_seconds: float = PROGRESS_SECONDS,
) -> Entry:
    """Fill in an integration's dialog and return the entry that it makes.

    `fields` are those of all its forms by their names; in a menu, the step that is in
    `choices` is taken, else the first. Raises ConfigFlowError if it does not make an entry,
    TimeoutError if it shows for longer than `progress_seconds` that something lasts.
    """
    answer = await client.request("POST", FLOW_PATH, json={"handler": domain})
    seen: set[str] = set()
    while answer["type"] in ("form", "menu") and answer["step_id"] not in seen:
        seen.add(answer["step_id"])
        flow = f"{FLOW_PATH}/{answer['flow_id']}"
        values = await _values(client, answer, fields, choices)
        answer = await client.request("POST", flow, json=values)
        async with asyncio.timeout(progress_seconds):
            while answer["type"] == "progress":
                await asyncio.sleep(PROGRESS_POLL_SECONDS)
                answer = await client.request("GET", flow)
    if answer["type"] != "create_entry":
        complaints = await _complaints(client, domain, answer)
        if answer["type"] in ("form", "menu"):
            await client.request("DELETE", f"{FLOW_PATH}/{answer['flow_id']}")
        raise ConfigFlowError(complaints)
    return await get_entry(client, answer["result"]["entry_id"])


async def change_options(
    client: Client, entry_id: str, fields: Mapping[str, Any]
) -> None:
    """Change the options of a config entry through their dialog; the entry is reloaded.

    Raises ConfigFlowError with the errors at the fields where it does not take them.
    """
    path = "/api/config/config_entries/options/flow"
    form = await client.request("POST", path, json={"handler": entry_id})
    values = await _entered(client, form["data_schema"], fields)
    answer = await client.request("POST", f"{path}/{form['flow_id']}", json=values)
    if answer["type"] != "create_entry":
        raise ConfigFlowError(answer.get("errors") or {"base": answer["type"]})


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
    return await _entered(client, asked["data_schema"], fields)


async def _entered(
    client: Client, schema: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is entered into a form, or into a section of one."""
    values: dict[str, Any] = {}
    for asked in schema:
        name = asked["name"]
        if asked.get("type") == "expandable":
            values[name] = await _entered(client, asked["schema"], fields)
        elif name in fields:
            value = fields[name]
            values[name] = (
                await _upload(client, value) if isinstance(value, Upload) else value
            )
    return values


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
    content = upload.content
    data = content.encode() if isinstance(content, str) else content
    form.add_field("file", data, filename=upload.name)
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
        # What is wrong in a section is told at its field, and again for the section.
        sections = {
            asked["name"]
            for asked in answer.get("data_schema") or ()
            if asked.get("type") == "expandable"
        }
        keys = {
            name: f"error.{error}"
            for name, error in (answer.get("errors") or {}).items()
            if name not in sections
        }
    placeholders = answer.get("description_placeholders") or {}
    return {
        name: _fill(
            translations.get(f"component.{domain}.config.{key}", key), placeholders
        )
        for name, key in keys.items()
    } or {"base": _step(domain, answer, translations)}


def _step(
    domain: str, answer: Mapping[str, Any], translations: Mapping[str, str]
) -> str:
    """Return what the dialog says at the step where it does not go on."""
    step = answer.get("step_id")
    said = translations.get(f"component.{domain}.config.step.{step}.description", "")
    words = _fill(said, answer.get("description_placeholders") or {})
    return f"the dialog asks for more, at its step {step!r}{words and f': {words}'}"


def _fill(words: str, placeholders: Mapping[str, str]) -> str:
    for name, value in placeholders.items():
        words = words.replace(f"{{{name}}}", value)
    return words
