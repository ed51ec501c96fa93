"""The documents to start from: they are read, and a home runs those that it can run here."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import io
import json
from pathlib import Path
import re
import shutil
import tarfile
import threading
from typing import Any
import zipfile

import pytest
import pytest_socket

from custom_components.aws_iot_jobs.jobs.calls import HomeAssistantCall
from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from stack.aws import Execution, LocalAws, Thing
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields
from stack.paths import CUSTOM_COMPONENTS, HANDLERS, ROOT

from .handlers.web import WebServer

FOLDER = ROOT / "docs" / "jobs"
DOCUMENTS = sorted(FOLDER.glob("*.json"))
PAGE = (FOLDER / "README.md").read_text("utf-8")

_PLACEHOLDER = re.compile(r'"\$\{aws:iot:[^"]*"')
"""What AWS fills in, a whole string: the local one leaves URLs to upload to as they are."""
_CHECKSUM = "0" * 64
_NO_CHECKSUM = re.compile(rf',\s*"sha256:{_CHECKSUM}"')


# What they are


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_document_is_read(path: Path) -> None:
    """By the parser of the integration, with a timeout in each step that others see, too."""
    content = json.loads(path.read_text("utf-8"))
    assert parse_job_document(content).all_steps
    actions = [step["action"] for step in content["steps"]]
    if "finalStep" in content:
        actions.append(content["finalStep"]["action"])
    assert all(action["timeoutSeconds"] > 0 for action in actions)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_check_has_time_for_what_it_waits_for(path: Path) -> None:
    """A check that is ended by its timeout names nothing that did not hold."""
    for step in parse_job_document(json.loads(path.read_text("utf-8"))).all_steps:
        if isinstance(step.call, HomeAssistantCall) and (
            within := getattr(step.call, "within", None)
        ):
            assert step.timeout is not None
            assert step.timeout > within


def test_page_has_each_document() -> None:
    """In the table at its top, and in no other order than its sections."""
    assert {*re.findall(r"^\| \[([\w-]+\.json)\]", PAGE, re.MULTILINE)} == {
        path.name for path in DOCUMENTS
    }


# Running them

THING = "my-home"
RESTART_SECONDS = 60
PASSWORD = "correct horse battery staple"

_CONFIGURATION = f"""{CONFIGURATION}
backup:
homeassistant:
  packages: !include_dir_named packages
update:
  - platform: hacs
"""
_HACS = '''\
"""A stand-in for HACS: it has one repository, and notes which version is installed."""
from pathlib import Path

from homeassistant.components.update import UpdateEntity, UpdateEntityFeature


async def async_setup_platform(hass, config, async_add_entities, discovery_info=None):
    """Add the update entity of the repository."""
    async_add_entities([Repository(Path(hass.config.path("installed")))])


class Repository(UpdateEntity):
    """What HACS has of a repository."""

    _attr_name = "Example update"
    _attr_unique_id = "172733314"
    _attr_latest_version = "1.1.0"
    _attr_release_url = "https://github.com/OWNER/REPOSITORY/releases/1.1.0"
    _attr_should_poll = False
    _attr_supported_features = UpdateEntityFeature.INSTALL | UpdateEntityFeature.PROGRESS

    def __init__(self, file):
        """Take the file that has the version."""
        self._file = file
        self._attr_installed_version = "1.0.0"

    async def async_added_to_hass(self):
        """Know what is installed."""
        if await self.hass.async_add_executor_job(self._file.exists):
            self._attr_installed_version = "1.1.0"

    async def async_install(self, version, backup, **kwargs):
        """Install the newest version."""
        await self.hass.async_add_executor_job(self._file.touch)
        self._attr_installed_version = "1.1.0"
        self.async_write_ha_state()
'''
_EXAMPLE = """\
async def async_setup(hass, config):
    hass.states.async_set("example.greeting", config["example"]["greeting"])
    return True
"""


def _manifest(domain: str) -> str:
    return json.dumps({"domain": domain, "name": domain.title(), "version": "1.0.0"})


class Home:
    """A Home Assistant with a thing that is connected to a local AWS."""

    def __init__(self, aws: LocalAws, home: HomeAssistant, thing: Thing) -> None:
        """Take its parts."""
        self.aws = aws
        self.home = home
        self.thing = thing

    def document(self, name: str, *urls: str) -> dict[str, Any]:
        """Return a document with what AWS and its user fill in."""
        text = (FOLDER / f"{name}.json").read_text("utf-8")
        given = iter(urls)
        text = _PLACEHOLDER.sub(lambda _: json.dumps(next(given)), text)
        text = _NO_CHECKSUM.sub("", text).replace('"/tmp', f'"{self.home.directory}')
        text = text.replace('"/config', f'"{self.home.config}')
        content: dict[str, Any] = json.loads(text)
        return content

    async def run(self, document: dict[str, Any], *, restarts: bool) -> Execution:
        """Run a document; return how it ended. One may restart Home Assistant."""
        job = await self.aws.create_job(self.thing, document)
        if restarts:
            async with asyncio.timeout(RESTART_SECONDS):
                await self.home.process.wait()
            await self.home.start()
        return await self.aws.wait_for_execution(self.thing, job)


@pytest.fixture
async def home(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Home]:
    """Run a Home Assistant with a stand-in for HACS, and the sample handlers."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    components = tmp_path / "custom_components"
    hacs = components / "hacs"
    hacs.mkdir(parents=True)
    (hacs / "__init__.py").touch()
    (hacs / "manifest.json").write_text(_manifest("hacs"))
    (hacs / "update.py").write_text(_HACS)
    (components / DOMAIN).symlink_to(CUSTOM_COMPONENTS / DOMAIN)
    handlers = tmp_path / "handlers"
    shutil.copytree(HANDLERS, handlers)
    for path in (handlers, *handlers.rglob("*")):
        path.chmod(0o700)
    (tmp_path / "home" / "config" / "packages").mkdir(parents=True)
    async with (
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(
            tmp_path / "home",
            configuration=_CONFIGURATION,
            custom_components=components,
        ) as home,
    ):
        thing = await aws.create_thing(THING)
        fields = integration_fields(aws, thing, handler_directory=handlers)
        entry = await home.add_integration(DOMAIN, fields)
        assert entry.state == "loaded"
        yield Home(aws, home, thing)


@pytest.fixture
def bucket() -> Iterator[WebServer]:
    """Run what takes uploads."""
    with WebServer() as web:
        yield web


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; give the URL of the folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.timeout(300)
@pytest.mark.slow
async def test_what_is_uploaded(home: Home, bucket: WebServer) -> None:
    """Logs and an encrypted backup come to where the URLs lead."""
    logs = home.document("diagnostics", bucket.url("/files/logs.tar.gz"))
    ended = await home.run(logs, restarts=False)
    assert ended.status == "SUCCEEDED", ended.status_details
    assert "Memory: " in ended.status_details["stdout"]
    with tarfile.open(
        fileobj=io.BytesIO(bucket.uploads["/files/logs.tar.gz"])
    ) as archive:
        names = archive.getnames()
    assert any(name.startswith("jobs/") for name in names)

    backup = home.document("nightly-backup", bucket.url("/files/backup.tar"))
    settings = {"agent_ids": ["backup.local"], "password": PASSWORD}
    await home.home.call("backup/config/update", create_backup=settings)
    ended = await home.run(backup, restarts=False)
    assert ended.status == "SUCCEEDED", ended.status_details
    made = (await home.home.call("backup/info"))["backups"]
    assert [each["name"] for each in made] == ["nightly"]
    with tarfile.open(
        fileobj=io.BytesIO(bucket.uploads["/files/backup.tar"])
    ) as archive:
        inside = archive.extractfile("./backup.json")
        assert inside is not None
        assert json.load(inside)["protected"]


@pytest.mark.timeout(300)
@pytest.mark.thorough
async def test_what_there_is_not_is_not_updated(home: Home) -> None:
    """Without a Supervisor Home Assistant and its system are not; an app is left out."""
    settings = {"agent_ids": ["backup.local"]}
    await home.home.call("backup/config/update", create_backup=settings)
    for name, step in (("patch-release", "2 of 3"), ("os-update", "2 of 2")):
        ended = await home.run(home.document(name), restarts=False)
        assert ended.status == "FAILED"
        assert ended.status_details["reason"].startswith(f"step {step} 'Update-")
    ended = await home.run(home.document("update-apps"), restarts=False)
    assert ended.status == "SUCCEEDED", ended.status_details
    for slug in ("core_mosquitto", "core_ssh", "a0d7b954_nodered"):
        assert slug in ended.status_details["reason"]


@pytest.mark.timeout(300)
@pytest.mark.thorough
async def test_integrations(home: Home, tmp_path: Path) -> None:
    """One that HACS has is updated, and another one is installed, over two restarts."""
    ended = await home.run(home.document("update-hacs"), restarts=True)
    assert ended.status == "SUCCEEDED", ended.status_details
    states = await home.home.states()
    assert states["update.example_update"].attributes["installed_version"] == "1.1.0"

    files = tmp_path / "files"
    files.mkdir()
    with zipfile.ZipFile(files / "example.zip", "w") as archive:
        archive.writestr("manifest.json", _manifest("example"))
        archive.writestr("__init__.py", _EXAMPLE)
    (files / "example.yaml").write_text("example:\n  greeting: hello\n")
    with _served(files) as url:
        document = home.document(
            "install-integration", f"{url}/example.zip", f"{url}/example.yaml"
        )
        ended = await home.run(document, restarts=True)
    assert ended.status == "SUCCEEDED", ended.status_details
    states = await home.home.states()
    assert states["example.greeting"].state == "hello"
