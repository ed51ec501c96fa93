"""The steps of a job, run for real, without AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custom_components.aws_iot_jobs.aws_iot.model import ExecutionKey
from custom_components.aws_iot_jobs.jobs.document import parse_job_document
from custom_components.aws_iot_jobs.jobs.execution import Execution
from custom_components.aws_iot_jobs.jobs.job import Job
from custom_components.aws_iot_jobs.jobs.journal import Journal
from custom_components.aws_iot_jobs.jobs.model import JobOutcome
from custom_components.aws_iot_jobs.jobs.record import JobRecord
from custom_components.aws_iot_jobs.jobs.timers import Deadline
from custom_components.aws_iot_jobs.runner.local import LocalRunner


@dataclass
class Engine:
    """Runs job documents. `elsewhere` is for handlers with a path of their own."""

    handlers: Path
    elsewhere: Path
    work: Path

    def handler(self, name: str, text: str, mode: int = 0o700) -> Path:
        """Put a handler into the handler directory."""
        return _write(self.handlers / name, text, mode)

    def other_handler(self, name: str, text: str, mode: int = 0o755) -> Path:
        """Put a handler elsewhere."""
        return _write(self.elsewhere / name, text, mode)

    async def run(self, document: Mapping[str, Any]) -> JobOutcome:
        """Run a job's steps to their end."""

        async def at_once() -> None:
            """Have nothing to wait for."""

        record = JobRecord(key=ExecutionKey("job-1", 1), started_at=datetime.now(UTC))
        execution = Execution(
            Job(record, Journal(self.work), on_storage=lambda _: None),
            parse_job_document(document),
            thing_name="thing-1",
            runner=LocalRunner(self.handlers, self.work, grace=1),
            deadline=Deadline(None),
            tidied=at_once,
            may_start=at_once,
        )
        return await execution.run()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return what runs job documents."""
    for name, mode in (("handlers", 0o700), ("elsewhere", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    return Engine(tmp_path / "handlers", tmp_path / "elsewhere", tmp_path / "work")


def _write(file: Path, text: str, mode: int) -> Path:
    file.write_text(text)
    file.chmod(mode)
    return file
