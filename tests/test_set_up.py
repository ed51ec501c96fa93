"""What a thing costs a real Home Assistant at its start, and what it leaves when it goes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import pytest

from stack.aws import LocalAws, Thing
from stack.config_flow import Entry
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields
from stack.paths import CUSTOM_COMPONENTS

# A Home Assistant starts and ends more than once, on a busy machine perhaps.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

THING = "my-home"
START_SECONDS = 0.3
TRIES = 3

# Blocks the event loop, to see that Home Assistant notices.
_CULPRIT = "culprit"
_CULPRIT_CODE = """\
async def async_setup(hass, config):
    open(__file__).close()
    return True
"""
_CULPRIT_MANIFEST = f'{{"domain": "{_CULPRIT}", "name": "Culprit", "version": "1.0.0"}}'

# Says how long it takes to load what Home Assistant loads of an integration, when the rest
# of it is there.
_IMPORT = """\
import importlib, sys, time
import homeassistant.bootstrap
from contextlib import suppress
for component in sys.argv[3].split(","):
    with suppress(ImportError):
        importlib.import_module(f"homeassistant.components.{component}")
    with suppress(ImportError):
        importlib.import_module(f"homeassistant.components.{component}.repairs")
sys.path.insert(0, sys.argv[1])
begun = time.process_time()
importlib.import_module(sys.argv[2])
for platform in sys.argv[4].split(","):
    importlib.import_module(f"{sys.argv[2]}.{platform}")
print(time.process_time() - begun)
"""
_LOADED_AT_START = (
    "backup",
    "binary_sensor",
    "button",
    "condition",
    "config_flow",
    "diagnostics",
    "event",
    "logbook",
    "repairs",
    "sensor",
    "switch",
    "system_health",
    "trigger",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A Home Assistant with a thing that is connected."""

    aws: LocalAws
    thing: Thing
    home: HomeAssistant
    entry: Entry

    async def connected(self) -> None:
        """Wait until the thing is connected."""
        entities = await self.home.entities(self.entry.entry_id)
        await self.home.wait_for_state(
            entities["Connected"], lambda state: state.state == "on", seconds=60
        )

    def connections(self) -> list[str]:
        """Return the connections to AWS IoT that there are in Home Assistant's name."""
        table = Path(f"/proc/{self.home.process.pid}/net/tcp").read_text()
        port = f":{self.aws.mqtt_port:04X}"
        established = "01"
        return [
            line
            for line in table.splitlines()[1:]
            if line.split()[2].endswith(port) and line.split()[3] == established
        ]

    def open_files(self) -> set[str]:
        """Return what Home Assistant has open of the integration's files."""
        found = set()
        for link in Path(f"/proc/{self.home.process.pid}/fd").iterdir():
            try:
                found.add(str(link.readlink()))
            except FileNotFoundError:
                continue
        return {path for path in found if f"/{DOMAIN}/" in path}


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Run a local AWS and a Home Assistant, with the integration and one that blocks."""
    components = tmp_path / "custom_components"
    culprit = components / _CULPRIT
    culprit.mkdir(parents=True)
    (culprit / "__init__.py").write_text(_CULPRIT_CODE)
    (culprit / "manifest.json").write_text(_CULPRIT_MANIFEST)
    (components / DOMAIN).symlink_to(CUSTOM_COMPONENTS / DOMAIN)
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(
            tmp_path / "home",
            configuration=f"{CONFIGURATION}{_CULPRIT}:\n",
            custom_components=components,
        ) as home,
    ):
        thing = await aws.create_thing(THING)
        fields = integration_fields(aws, thing, handler_directory=handlers)
        entry = await home.add_integration(DOMAIN, fields)
        assert entry.state == "loaded"
        yield Home(aws=aws, thing=thing, home=home, entry=entry)


async def test_start_job_and_end(home: Home) -> None:
    """No call blocks in a whole life, and a thing that is disabled leaves nothing behind."""
    await home.connected()
    await home.home.restart()
    await home.connected()
    assert home.connections()
    action = {"name": "Greet", "type": "runCommand", "input": {"command": "echo,Hello"}}
    job_id = await home.aws.create_job(
        home.thing, {"version": "1.0", "steps": [{"action": action}]}
    )
    ended = await home.aws.wait_for_execution(home.thing, job_id)
    assert ended.status == "SUCCEEDED"
    await home.home.call(
        "config_entries/disable", entry_id=home.entry.entry_id, disabled_by="user"
    )
    assert not home.open_files()
    assert not home.connections()
    states = await home.home.states()
    ours = [state.state for name, state in states.items() if "my_home" in name]
    assert set(ours) <= {"unavailable"}
    issues = await home.home.call("repairs/list_issues")
    assert not [issue for issue in issues["issues"] if issue["domain"] == DOMAIN]
    await home.home.stop()

    log = await asyncio.to_thread(home.home.log.read_text)
    blocking = re.findall(r"Detected blocking call.*integration '(\w+)'", log)
    assert set(blocking) == {_CULPRIT}
    errors = [line for line in log.splitlines() if " ERROR " in line]
    assert not [line for line in errors if DOMAIN in line]


@pytest.mark.alone
async def test_start_is_quick(home: Home) -> None:
    """Home Assistant loads and sets up a thing in a blink."""
    seconds = []
    for _ in range(TRIES):
        await home.home.restart()
        await home.connected()
        timings = await home.home.call("integration/setup_info")
        [set_up] = [each["seconds"] for each in timings if each["domain"] == DOMAIN]
        components = await home.home.request("GET", "/api/components")
        imported = await asyncio.to_thread(_seconds_to_import, components)
        seconds.append(set_up + imported)
    assert min(seconds) < START_SECONDS, seconds


def _seconds_to_import(components: list[Any]) -> float:
    """Return how long loading the integration lasts in a Home Assistant with components.

    The shortest of several is that of any start but the first, which compiles it.
    """
    folder = CUSTOM_COMPONENTS / DOMAIN
    there = {component.partition(".")[0] for component in components} - {
        DOMAIN,
        _CULPRIT,
    }
    platforms = [name for name in _LOADED_AT_START if (folder / f"{name}.py").exists()]
    finished = subprocess.run(
        [
            sys.executable,
            "-c",
            _IMPORT,
            CUSTOM_COMPONENTS.parent,
            f"custom_components.{DOMAIN}",
            ",".join(sorted(there)),
            ",".join(platforms),
        ],
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(finished.stdout)
