"""The step that makes a backup, in a Home Assistant that makes real ones."""

import asyncio
from collections.abc import Mapping
import errno
import io
import json
from pathlib import Path
import tarfile
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from securetar import atomic_contents_add

from custom_components.aws_iot_jobs.jobs.calls import BackupCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps import create_backup
from custom_components.aws_iot_jobs.steps.create_backup import CreateBackup
from homeassistant.components.backup import ManagerBackup, async_get_manager
from homeassistant.components.backup.manager import BackupManager, BackupManagerState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from ...fake_jobs_service import FakeJobsService
from ...jobs.documents import command_step, document, home_step
from .attempts import Killed, Trial, killed_at
from .bucket import Bucket
from .other_agent import OTHER, OtherPlatform, add_other_agent

LOCAL = "backup.local"
PASSWORD = "a long password"
NO_KEY = (
    "only an encrypted backup may leave the home, and there is no encryption key: "
    "set up automatic backups in Settings > System > Backups"
)
NO_URL = (
    "AWS IoT has not filled in the placeholder in uploadUrl: the job has to be created with "
    "presignedUrlConfig, and its role must allow s3:PutObject"
)
_ARCHIVER = "homeassistant.components.backup.manager.atomic_contents_add"


@pytest.fixture
async def other(hass: HomeAssistant) -> OtherPlatform:
    """Have backups, with a second place for them."""
    other = add_other_agent(hass)
    assert await async_setup_component(hass, "backup", {})
    await hass.async_block_till_done()
    return other


@pytest.fixture
def manager(hass: HomeAssistant, other: OtherPlatform) -> BackupManager:
    """Return who makes backups."""
    return async_get_manager(hass)


@pytest.fixture
def step(
    hass: HomeAssistant, entry: MockConfigEntry, manager: BackupManager
) -> CreateBackup:
    """Return what does the step."""
    return CreateBackup(hass, entry)


@pytest.fixture
def encrypted(manager: BackupManager) -> None:
    """Have a password for backups."""
    _set_up(manager, password=PASSWORD)


async def test_a_backup(step: CreateBackup, manager: BackupManager) -> None:
    """It is one that Home Assistant can restore, and the output says which."""
    call = BackupCall(name="Before the update")
    trial = Trial(call)
    await step.run(call, trial)
    [backup] = (await _backups(manager)).values()
    assert backup.name == "Before the update"
    assert backup.database_included
    path = _path(manager, backup)
    size = path.stat().st_size
    assert trial.lines[:-1] == [
        "Stage: home_assistant",
        "Stage: upload_to_agents",
        "Stage: cleaning_up",
        "Name: Before the update",
        f"Backup: {backup.backup_id}",
        f"Size: {size} bytes",
    ]
    assert json.loads(trial.lines[-1]) == {
        "name": "Before the update",
        "backup_id": backup.backup_id,
        "size": size,
        "agents": [LOCAL],
    }
    assert await step.problem(call) is None
    with tarfile.open(path) as archive:
        assert "homeassistant.tar.gz" in archive.getnames()


async def test_what_is_said_of_it(step: CreateBackup, manager: BackupManager) -> None:
    """Where it goes, and what of the database."""
    call = BackupCall(agents=(OTHER, LOCAL), include_database=False)
    trial = Trial(call)
    await step.run(call, trial)
    [backup] = (await _backups(manager)).values()
    assert set(backup.agents) == {OTHER, LOCAL}
    assert not backup.database_included
    assert backup.name.startswith("AWS IoT job nightly 20")


async def test_as_automatic_backups_are(
    step: CreateBackup, manager: BackupManager
) -> None:
    """It goes where they go, and is encrypted as they are."""
    _set_up(manager, agent_ids=[OTHER], password=PASSWORD)
    await step.run(BackupCall(), Trial(BackupCall()))
    [backup] = (await _backups(manager)).values()
    assert {agent: status.protected for agent, status in backup.agents.items()} == {
        OTHER: True
    }
    with tarfile.open(fileobj=io.BytesIO(_of_other(manager, backup))) as archive:
        content = archive.extractfile("homeassistant.tar.gz")
        assert content is not None
        assert not content.read(16).startswith(b"\x1f\x8b")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (
            BackupCall(agents=(LOCAL, "nas.local")),
            "there is no backup agent 'nas.local'; there are: backup.local, other.cloud",
        ),
        (
            BackupCall(name="a/b"),
            "the name 'a/b' of the backup has a slash, and is to be a file",
        ),
        (
            BackupCall(upload_url="https://bucket.example/key?X-Amz-Signature=1"),
            NO_KEY,
        ),
        (
            BackupCall(upload_url="${aws:iot:s3-presigned-url-upload:https://a/b/c}"),
            NO_URL,
        ),
    ],
)
async def test_what_cannot_be(
    step: CreateBackup, manager: BackupManager, call: BackupCall, problem: str
) -> None:
    """It is told before anything is done, and by a plan, too."""
    assert await step.problem(call) == problem
    assert await _failure(step, Trial(call)) == problem
    assert await _backups(manager) == {}


@pytest.mark.usefixtures("encrypted")
async def test_an_agent_that_does_not_encrypt(
    step: CreateBackup, manager: BackupManager
) -> None:
    """What it would have may not leave the home, password or not."""
    manager.config.update(agents={LOCAL: {"protected": False, "retention": None}})
    call = BackupCall(upload_url="https://bucket.example/key?X-Amz-Signature=1")
    assert await _failure(step, Trial(call)) == (
        "only an encrypted backup may leave the home, and encryption is off for "
        "backup.local: turn it on in Settings > System > Backups"
    )
    assert await _backups(manager) == {}


async def test_without_backups(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A Home Assistant that makes none says what is missing."""
    step = CreateBackup(hass, entry)
    problem = await step.problem(BackupCall())
    assert problem == await _failure(step, Trial(BackupCall()))
    assert problem is not None
    assert problem.startswith("Home Assistant has no backups: ")


async def test_no_space(step: CreateBackup, manager: BackupManager) -> None:
    """It fails as the disk says, and nothing goes on."""
    full = OSError(errno.ENOSPC, "No space left on device")
    trial = Trial(BackupCall(name="Nightly"))
    with patch(_ARCHIVER, side_effect=full):
        assert await _failure(step, trial) == (
            "the backup 'Nightly' has failed: [Errno 28] No space left on device"
        )
    assert trial.goes_on == ""
    assert manager.state is BackupManagerState.IDLE


async def test_an_agent_that_fails(
    step: CreateBackup, manager: BackupManager, other: OtherPlatform
) -> None:
    """It is named, though another one has the backup."""
    other.agent.fails = "the quota is used up"
    trial = Trial(BackupCall(name="Nightly", agents=(LOCAL, OTHER)))
    assert await _failure(step, trial) == (
        "the backup 'Nightly' is not complete: other.cloud has not taken it "
        "(why is in Home Assistant's log)"
    )
    [backup] = (await _backups(manager)).values()
    assert set(backup.agents) == {LOCAL}


async def test_the_backup_of_somebody_else(
    hass: HomeAssistant,
    step: CreateBackup,
    manager: BackupManager,
    other: OtherPlatform,
) -> None:
    """It is waited for, and is not taken for that of the job, whatever its name."""
    other.may_begin.clear()
    making = hass.async_create_task(_make(manager, "Nightly"))
    await other.asked.wait()
    trial = Trial(BackupCall(name="Nightly"))
    running = hass.async_create_task(step.run(BackupCall(name="Nightly"), trial))
    await _written(trial, "Waiting: Home Assistant's backups are busy (create_backup)")
    other.may_begin.set()
    await making
    await running
    assert len(await _backups(manager)) == 2


async def test_somebody_else_is_faster(
    hass: HomeAssistant, step: CreateBackup, manager: BackupManager
) -> None:
    """A backup that begins at the last moment is waited for, too."""
    making: list[asyncio.Task[None]] = []

    def make(count: int) -> None:
        if count == 1:
            making.append(hass.async_create_task(_make(manager, "Other")))

    trial = Trial(BackupCall(), on_keep=make)
    await step.run(BackupCall(), trial)
    await asyncio.gather(*making)
    assert len(await _backups(manager)) == 2


@pytest.mark.usefixtures("encrypted")
async def test_it_is_sent(
    step: CreateBackup, manager: BackupManager, bucket: Bucket
) -> None:
    """All of it, encrypted; the output shows no signature."""
    call = BackupCall(upload_url=bucket.url("home.tar"))
    trial = Trial(call)
    await step.run(call, trial)
    [backup] = (await _backups(manager)).values()
    assert bucket.uploads == {"home.tar": _path(manager, backup).read_bytes()}
    assert backup.agents[LOCAL].protected
    assert trial.lines[-2] == "Sent to 127.0.0.1"
    assert trial.percents[-1] == 100
    assert "X-Amz" not in trial.stdout


@pytest.mark.usefixtures("encrypted")
async def test_it_is_sent_from_elsewhere(
    hass: HomeAssistant,
    step: CreateBackup,
    manager: BackupManager,
    other: OtherPlatform,
    bucket: Bucket,
) -> None:
    """An agent tells of an encrypted backup only how large it is at most."""
    manager.config.update(agents={LOCAL: {"protected": False, "retention": None}})
    call = BackupCall(agents=(LOCAL, OTHER), upload_url=bucket.url("home.tar"))
    await step.run(call, Trial(call))
    [(known, content)] = other.agent.backups.values()
    assert bucket.uploads == {"home.tar": content}
    assert known.size >= len(content)
    assert {path.name for path in Path(hass.config.config_dir).glob("tmp*")} <= {
        "tmp_backups"
    }


@pytest.mark.usefixtures("encrypted")
async def test_a_url_that_has_expired(
    step: CreateBackup, manager: BackupManager, bucket: Bucket
) -> None:
    """The backup stays."""
    bucket.expire()
    trial = Trial(BackupCall(name="Nightly", upload_url=bucket.url("home.tar")))
    assert "Request has expired" in await _failure(step, trial)
    assert len(await _backups(manager)) == 1
    assert trial.goes_on == "the backup 'Nightly' is kept"


async def test_stopped_while_it_waits(
    hass: HomeAssistant,
    step: CreateBackup,
    manager: BackupManager,
    other: OtherPlatform,
) -> None:
    """Nothing is made then."""
    other.may_begin.clear()
    making = hass.async_create_task(_make(manager, "Other"))
    await other.asked.wait()
    trial = Trial(BackupCall())
    running = hass.async_create_task(step.run(BackupCall(), trial))
    await _written(trial, "Waiting: Home Assistant's backups are busy (create_backup)")
    await _cancelled(running)
    assert trial.goes_on == ""
    other.may_begin.set()
    await making
    assert len(await _backups(manager)) == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_stopped_while_it_is_made(
    hass: HomeAssistant,
    step: CreateBackup,
    manager: BackupManager,
    other: OtherPlatform,
    fails: bool,
) -> None:
    """What has begun goes on, and it is said; the next attempt finds it, or makes another."""
    other.may_begin.clear()
    call = BackupCall(name="Nightly")
    trial = Trial(call)
    errors = iter([OSError("broken")] if fails else [])

    def archive(*args: Any, **kwargs: Any) -> None:
        for error in errors:
            raise error
        atomic_contents_add(*args, **kwargs)

    with patch(_ARCHIVER, archive):
        running = hass.async_create_task(step.run(call, trial))
        await other.asked.wait()
        await _cancelled(running)
        assert trial.goes_on == "the backup 'Nightly' goes on in Home Assistant"
        again = Trial(call, known=trial.kept[-1])
        running = hass.async_create_task(step.run(call, again))
        await _written(
            again, "Waiting: Home Assistant's backups are busy (create_backup)"
        )
        other.may_begin.set()
        await running
    made = json.loads(again.lines[-1])["backup_id"]
    assert tarfile.is_tarfile(_path(manager, (await _backups(manager))[made]))
    assert ("Stage: cleaning_up" in again.lines) == fails


@pytest.mark.usefixtures("encrypted")
async def test_stopped_while_it_is_sent(
    hass: HomeAssistant, step: CreateBackup, manager: BackupManager, bucket: Bucket
) -> None:
    """The backup stays, and nothing has arrived."""
    bucket.may_go_on.clear()
    call = BackupCall(name="Nightly", upload_url=bucket.url("home.tar"))
    trial = Trial(call)
    running = hass.async_create_task(step.run(call, trial))
    await bucket.begun.wait()
    await _cancelled(running)
    assert trial.goes_on == "the backup 'Nightly' is kept"
    assert bucket.uploads == {}
    assert len(await _backups(manager)) == 1


@pytest.mark.usefixtures("encrypted")
@pytest.mark.parametrize("count", [1, 2])
async def test_killed_at_each_write(
    step: CreateBackup, manager: BackupManager, bucket: Bucket, count: int
) -> None:
    """There is one backup in the end, and it is sent."""
    call = BackupCall(name="Nightly", upload_url=bucket.url("home.tar"))
    trial = Trial(call, on_keep=killed_at(count))
    with pytest.raises(Killed):
        await step.run(call, trial)
    made = set(await _backups(manager))
    assert len(made) == count - 1
    # Home Assistant writes down with a delay which backups it knows.
    _forget(manager)
    again = Trial(call, known=trial.kept[-1])
    with patch.object(create_backup, "PROCESS_ID", "another"):
        await step.run(call, again)
    backups = await _backups(manager)
    [backup] = backups.values()
    assert made <= set(backups)
    assert bucket.uploads == {"home.tar": _path(manager, backup).read_bytes()}


@pytest.mark.parametrize("whole", [False, True])
async def test_killed_while_it_is_made(
    step: CreateBackup, manager: BackupManager, whole: bool
) -> None:
    """One that may be incomplete is not taken for a backup."""
    call = BackupCall(name="Nightly")
    trial = Trial(call)
    await step.run(call, trial)
    asked = trial.kept[0]
    [first] = (await _backups(manager)).values()
    if not whole:
        # It is listed by its first bytes.
        path = _path(manager, first)
        path.write_bytes(path.read_bytes()[:16384])
        _forget(manager)
    again = Trial(call, known=asked)
    with patch.object(create_backup, "PROCESS_ID", "another"):
        await step.run(call, again)
    made = json.loads(again.lines[-1])["backup_id"]
    assert (made == first.backup_id) == whole
    assert len(await _backups(manager)) == 1 + (not whole)
    said = (
        f"The backup 'Nightly' ({first.backup_id}) of the attempt before may be "
        "incomplete: it is made again"
    )
    assert (said in again.lines) == (not whole)


async def test_killed_before_all_agents_have_it(
    step: CreateBackup, manager: BackupManager, other: OtherPlatform
) -> None:
    """It is made again: nobody goes on with what is missing."""
    call = BackupCall(agents=(LOCAL, OTHER))
    trial = Trial(call)
    await step.run(call, trial)
    other.agent.backups.clear()
    again = Trial(call, known=trial.kept[0])
    await step.run(call, again)
    assert again.lines[0].endswith("may be incomplete: it is made again")
    assert len(other.agent.backups) == 1


async def test_a_backup_that_somebody_has_deleted(
    step: CreateBackup, manager: BackupManager
) -> None:
    """It is made again, as the job wants one."""
    call = BackupCall()
    trial = Trial(call)
    await step.run(call, trial)
    made = json.loads(trial.lines[-1])["backup_id"]
    await manager.async_delete_backup(made)
    again = Trial(call, known=trial.kept[-1])
    await step.run(call, again)
    assert again.lines[0] == f"The backup {made} is gone: it is made again"
    assert len(await _backups(manager)) == 1


async def test_a_job_with_a_backup(
    hass: HomeAssistant,
    thing: MockConfigEntry,
    service: FakeJobsService,
    manager: BackupManager,
) -> None:
    """While it is made, steps wait: its own does not wait for itself."""
    assert await hass.config_entries.async_setup(thing.entry_id)
    job = service.create_job(
        document(
            home_step("createBackup", input={"name": "Nightly"}),
            command_step("echo,after"),
        )
    )
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED", ended.status_details
    assert ended.status_details["stdout"].endswith('"agents": ["backup.local"]} after')
    assert not thing.runtime_data.agent.state.holds
    assert len(await _backups(manager)) == 1


async def _make(manager: BackupManager, name: str) -> None:
    """Make a backup, as the page of Home Assistant does."""
    await manager.async_create_backup(
        agent_ids=[LOCAL],
        include_addons=None,
        include_all_addons=False,
        include_database=False,
        include_folders=None,
        include_homeassistant=True,
        name=name,
        password=None,
    )


def _set_up(manager: BackupManager, **settings: Any) -> None:
    """Set up automatic backups."""
    changes: Any = settings
    manager.config.update(create_backup=changes)


def _forget(manager: BackupManager) -> None:
    """Have the manager know no more of its backups than it finds on disk."""
    manager.known_backups.load([])
    local = manager.local_backup_agents[LOCAL]
    vars(local)["_loaded_backups"] = False


async def _backups(manager: BackupManager) -> Mapping[str, ManagerBackup]:
    backups, errors = await manager.async_get_backups()
    assert not errors
    return backups


def _path(manager: BackupManager, backup: ManagerBackup) -> Path:
    return manager.local_backup_agents[LOCAL].get_backup_path(backup.backup_id)


def _of_other(manager: BackupManager, backup: ManagerBackup) -> bytes:
    agent: Any = manager.backup_agents[OTHER]
    content: bytes = agent.backups[backup.backup_id][1]
    return content


async def _failure(step: CreateBackup, trial: Trial) -> str:
    assert isinstance(trial.call, BackupCall)
    with pytest.raises(StepFailedError) as failure:
        await step.run(trial.call, trial)
    return str(failure.value)


async def _written(trial: Trial, line: str) -> None:
    """Wait until a line is written, which takes no time."""
    for _ in range(100):
        if line in trial.lines:
            return
        await asyncio.sleep(0)
    pytest.fail(f"{line!r} is not in {trial.lines}")


async def _cancelled(running: asyncio.Task[None]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
