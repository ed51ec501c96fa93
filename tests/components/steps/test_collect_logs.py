"""The step that sends logs: what is in the archive, and what is not."""

import asyncio
from collections.abc import Mapping
import io
import logging
from pathlib import Path
import tarfile
import tempfile

from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.const import CONF_PRIVATE_KEY
from custom_components.aws_iot_jobs.jobs.calls import LogsCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps import collect_logs
from custom_components.aws_iot_jobs.steps.collect_logs import CollectLogs
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.components.hassio.const import DATA_COMPONENT
from homeassistant.components.hassio.handler import HassIO
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.setup import async_setup_component

from ...fake_jobs_service import FakeJobsService
from ...jobs.documents import command_step, document, home_step
from ..fake_agent import FakeAgent
from .attempts import Trial
from .bucket import Bucket


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a folder of its own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def step(hass: HomeAssistant, entry: MockConfigEntry, agent: FakeAgent) -> CollectLogs:
    """Return what does the step."""
    return CollectLogs(hass, entry)


async def test_what_is_sent(
    hass: HomeAssistant, step: CollectLogs, bucket: Bucket, temporary: Path
) -> None:
    """Each log by its name, with what it has and without secrets; nothing stays here."""
    _write(hass, "home-assistant.log", "all is well\nmqtt password: hunter22\n")
    _write(hass, "home-assistant.log.1", "it crashed\n")
    _write(hass, "secrets.yaml", "door: open sesame\npin: 1\n")
    _write(hass, "home-assistant.log.fault", "")
    _write(hass, "home-assistant-rollback.log", "says open sesame\n")
    trial = await _run(step, bucket)
    assert _sent(bucket) == {
        "home-assistant.log": "all is well\nmqtt password: [hidden]\n",
        "home-assistant.log.1": "it crashed\n",
        "home-assistant-rollback.log": "says [hidden]\n",
    }
    size = len(bucket.uploads["logs"])
    assert trial.lines == [
        "home-assistant.log: 36 bytes",
        "home-assistant.log.1: 11 bytes",
        "home-assistant-rollback.log: 14 bytes",
        "Total: 61 bytes",
        f"Sent to 127.0.0.1: {size} bytes, compressed",
    ]
    assert list(temporary.iterdir()) == []


async def test_the_end_of_a_long_log(
    hass: HomeAssistant,
    step: CollectLogs,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a whole line on."""
    monkeypatch.setattr(collect_logs, "LIMIT", 10)
    _write(hass, "home-assistant.log", "first\nsecond\nthird\n")
    _write(hass, "home-assistant.log.1", "abcd\nefgh\n")
    await _run(step, bucket)
    assert _sent(bucket) == {
        "home-assistant.log": "third\n",
        "home-assistant.log.1": "abcd\nefgh\n",
    }


async def test_without_a_log_file(
    hass: HomeAssistant, step: CollectLogs, bucket: Bucket
) -> None:
    """What Home Assistant remembers of warnings is sent in its place."""
    assert await async_setup_component(hass, "system_log", {})
    logging.getLogger("some.where").warning("The door is open")
    try:
        raise ValueError("no such door")
    except ValueError:
        logging.getLogger("some.where").exception("It fails")
    await hass.async_block_till_done()
    await _run(step, bucket)
    text = _sent(bucket)["warnings.log"]
    assert " WARNING [some.where] The door is open\n" in text
    assert text.index("The door is open") < text.index("It fails")
    assert "ValueError: no such door\n" in text


async def test_a_file_that_cannot_be_read(
    hass: HomeAssistant, step: CollectLogs, bucket: Bucket
) -> None:
    """It is said, and the others are sent."""
    Path(hass.config.path("home-assistant.log")).mkdir()
    _write(hass, "home-assistant.log.1", "it crashed\n")
    trial = await _run(step, bucket)
    assert trial.lines[0] == "home-assistant.log could not be read: Is a directory"
    assert _sent(bucket) == {"home-assistant.log.1": "it crashed\n"}


async def test_the_logs_of_supervisor(
    hass: HomeAssistant,
    step: CollectLogs,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that it gives; what it does not give is said."""

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer supervisor-token"
        assert int(request.query["lines"]) > 1000
        if request.path == "/supervisor/logs":
            error = {"result": "error", "message": "it is refused"}
            return web.json_response(error, status=400)
        return web.Response(text=f"{request.path}\nwith supervisor-token\n")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    monkeypatch.setenv("SUPERVISOR_TOKEN", "supervisor-token")
    async with TestServer(app) as server:
        hass.data[DATA_COMPONENT] = HassIO(
            hass.loop, async_get_clientsession(hass), f"{server.host}:{server.port}"
        )
        hass.config.components.add("hassio")
        trial = await _run(step, bucket)
    assert _sent(bucket) == {"core.log": "/core/logs\nwith [hidden]\n"}
    assert "supervisor.log could not be read: it is refused" in trial.lines


async def test_the_logs_of_jobs(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    bucket: Bucket,
) -> None:
    """What jobs have written is sent, too, without what is secret of the thing."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    await SecretStore(hass, "thing-1").async_update({"runner_token": "of-the-runner"})
    secrets = await SecretStore(hass, "thing-1").async_load()
    assert CONF_PRIVATE_KEY in secrets
    first = service.create_job(document(command_step("echo,Hello of-the-runner")))
    await service.ended(first)
    job = service.create_job(
        document(home_step("collectLogs", input={"uploadUrl": bucket.url("logs")}))
    )
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED", ended.status_details
    assert "X-Amz" not in ended.status_details["stdout"]
    logs = {
        name: text for name, text in _sent(bucket).items() if name.startswith("jobs/")
    }
    [text] = [text for name, text in logs.items() if first.job_id in name]
    assert text.endswith(" Hello [hidden]\n")


async def test_a_stop_leaves_nothing(
    hass: HomeAssistant, step: CollectLogs, bucket: Bucket, temporary: Path
) -> None:
    """Nor would the end of the process: the archive has no name, not even meanwhile."""
    _write(hass, "home-assistant.log", "all is well\n")
    bucket.may_go_on.clear()
    call = LogsCall(upload_url=bucket.url("logs"))
    running = hass.async_create_task(step.run(call, Trial(call)))
    await bucket.begun.wait()
    assert list(temporary.iterdir()) == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bucket.uploads == {}


async def test_it_is_not_taken(step: CollectLogs, bucket: Bucket) -> None:
    """Why is told without the signature."""
    bucket.expire()
    call = LogsCall(upload_url=bucket.url("logs"))
    with pytest.raises(StepFailedError, match="HTTP status 403") as failure:
        await step.run(call, Trial(call))
    assert "X-Amz" not in str(failure.value)


async def test_a_placeholder(step: CollectLogs) -> None:
    """One that AWS has not filled in is told before anything is read."""
    call = LogsCall(upload_url="${aws:iot:s3-presigned-url-upload:https://a/b/c}")
    trial = Trial(call)
    with pytest.raises(StepFailedError, match="placeholder"):
        await step.run(call, trial)
    assert "placeholder" in (await step.problem(call) or "")
    assert trial.lines == []


def _write(hass: HomeAssistant, name: str, text: str) -> None:
    Path(hass.config.path(name)).write_text(text)


async def _run(step: CollectLogs, bucket: Bucket) -> Trial:
    call = LogsCall(upload_url=bucket.url("logs"))
    trial = Trial(call)
    await step.run(call, trial)
    return trial


def _sent(bucket: Bucket) -> Mapping[str, str]:
    """Return the files of the archive that has arrived."""
    archive = io.BytesIO(bucket.uploads["logs"])
    with tarfile.open(fileobj=archive, mode="r:gz") as archive_file:
        return {
            member.name: found.read().decode()
            for member in archive_file
            if (found := archive_file.extractfile(member)) is not None
        }
