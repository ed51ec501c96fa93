"""A real Home Assistant backs itself up in a job, and is killed while that is sent."""

import asyncio
import io
from pathlib import Path
import tarfile

import pytest

from stack.aws import LocalAws
from stack.home_assistant import CONFIGURATION, HomeAssistant
from stack.integration import DOMAIN, integration_fields

from .components.steps.bucket import Bucket
from .jobs.documents import command_step, document, home_step

# A Home Assistant starts, is killed and starts again, on a busy machine perhaps.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.thorough]

JOB_SECONDS = 120


async def test_a_backup_is_made_once_and_sent(
    tmp_path: Path, socket_enabled: None
) -> None:
    """What was made before the end of the process is sent after it, and logs, too."""
    async with (
        Bucket() as bucket,
        LocalAws(tmp_path / "aws") as aws,
        HomeAssistant(
            tmp_path / "home", configuration=f"{CONFIGURATION}backup:\n"
        ) as home,
    ):
        thing = await aws.create_thing("my-home")
        entry = await home.add_integration(DOMAIN, integration_fields(aws, thing))
        assert entry.state == "loaded"
        settings = {"agent_ids": ["backup.local"], "password": "a long password"}
        await home.call("backup/config/update", create_backup=settings)
        bucket.may_go_on.clear()
        backup = {"name": "Nightly", "uploadUrl": bucket.url("home.tar")}
        logs = {"uploadUrl": bucket.url("logs.tar.gz")}
        job_id = await aws.create_job(
            thing,
            document(
                home_step("createBackup", input=backup),
                home_step("collectLogs", input=logs),
                command_step("echo,done"),
            ),
        )
        async with asyncio.timeout(JOB_SECONDS):
            await bucket.begun.wait()

        await home.kill()
        bucket.may_go_on.set()
        await home.start()

        execution = await aws.wait_for_execution(thing, job_id, seconds=JOB_SECONDS)
        assert execution.status == "SUCCEEDED", execution.status_details
        [file] = (home.config / "backups").glob("*.tar")
        assert file.name.startswith("Nightly_")
        assert bucket.uploads["home.tar"] == file.read_bytes()
        packed = io.BytesIO(bucket.uploads["logs.tar.gz"])
        with tarfile.open(fileobj=packed, mode="r:gz") as archive:
            [name] = [name for name in archive.getnames() if name.startswith("jobs/")]
            log = archive.extractfile(name)
            assert log is not None
            text = log.read().decode()
        assert " The attempt before has made the backup\n" in text
        assert "X-Amz" not in text
        assert not home.blocking_calls()
