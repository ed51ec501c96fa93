"""The step that sends the logs of Home Assistant, of its Supervisor and of the jobs.

They go as one archive, each with its end, and without the secrets that they may show. It is
a file without a name: it is gone with the process, however that ends.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
import io
import os
from pathlib import Path
import tarfile
import tempfile
import time
from typing import Any, BinaryIO, Final, override

from homeassistant.components.hassio.const import DATA_COMPONENT
from homeassistant.components.hassio.handler import HassioAPIError
from homeassistant.const import KEY_DATA_LOGGING as DATA_LOGGING
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.hassio import is_hassio
from homeassistant.util.yaml import load_yaml_dict

from ..jobs.calls import LogsCall
from ..jobs.home_steps import Attempt, StepFailedError
from ..jobs.log_lines import JobLogText
from ..storage import SecretStore
from . import upload
from .log_redaction import redacted
from .step import HomeStep

LIMIT: Final = 5 * 1024 * 1024
"""How many bytes of each log are sent at most: its last ones."""

_FILES: Final = (
    "home-assistant.log",
    "home-assistant.log.1",
    "home-assistant.log.fault",
    "home-assistant-rollback.log",
)
_SYSTEM_LOG: Final = "system_log"
_SUPERVISOR_LOGS: Final = ("core", "supervisor")
_SUPERVISOR_LINES: Final = 30_000
_SUPERVISOR_SECONDS: Final = 120


class CollectLogs(HomeStep[LogsCall]):
    """Packs and sends logs. It can be done again as often as one likes."""

    @override
    async def problem(self, call: LogsCall) -> str | None:
        """Return why nothing can be sent."""
        return upload.problem_of(call.upload_url)

    @override
    async def run(self, call: LogsCall, attempt: Attempt) -> None:
        """Pack and send them."""
        if (problem := upload.problem_of(call.upload_url)) is not None:
            raise StepFailedError(problem)
        with await self._in_thread(tempfile.TemporaryFile) as file:
            await self._pack(file, attempt)
            size = await upload.send_file(
                self._hass, call.upload_url, file, attempt.progress
            )
        host = upload.host_of(call.upload_url)
        attempt.write(f"Sent to {host}: {size} bytes, compressed")

    async def _pack(self, file: BinaryIO, attempt: Attempt) -> None:
        """Write the archive; say what is in it."""
        secrets = await self._secrets()
        total = 0
        archive = await self._in_thread(
            partial(tarfile.open, fileobj=file, mode="w:gz")
        )
        try:
            async for name, read in self._logs(attempt):
                try:
                    size = await self._in_thread(_add, archive, name, read, secrets)
                except FileNotFoundError:
                    continue
                except OSError as err:
                    _tell_missing(attempt, name, err)
                    continue
                if size > 0:
                    total += size
                    attempt.write(f"{name}: {size} bytes")
        finally:
            await self._in_thread(archive.close)
        attempt.write(f"Total: {total} bytes")

    async def _logs(
        self, attempt: Attempt
    ) -> AsyncIterator[tuple[str, Callable[[], bytes]]]:
        """Yield each log with its name, and what reads it; that blocks."""
        hass = self._hass
        files = map(hass.config.path, _FILES)
        for file in dict.fromkeys((hass.data.get(DATA_LOGGING), *files)):
            if file is not None:
                yield Path(file).name, partial(_tail, Path(file))
        if is_hassio(hass):
            for name in _SUPERVISOR_LOGS:
                if (text := await self._of_supervisor(name, attempt)) is not None:
                    yield f"{name}.log", text.encode
        elif DATA_LOGGING not in hass.data and _SYSTEM_LOG in hass.data:
            entries = hass.data[_SYSTEM_LOG].records.to_list()
            yield "warnings.log", partial(_system_log, entries)
        agent = self._entry.runtime_data.agent
        for job in agent.jobs:
            name = f"jobs/{job.key}.log"
            try:
                found = await agent.logs.read(job.key)
            except OSError as err:
                _tell_missing(attempt, name, err)
                continue
            if found.lines:
                yield name, partial(_job_log, found)

    async def _of_supervisor(self, name: str, attempt: Attempt) -> str | None:
        """Return the end of a log that Supervisor has."""
        try:
            text: str = await self._hass.data[DATA_COMPONENT].send_command(
                f"/{name}/logs",
                method="get",
                timeout=_SUPERVISOR_SECONDS,
                return_text=True,
                params={"lines": str(_SUPERVISOR_LINES), "no_colors": "1"},
            )
        except HassioAPIError as err:
            _tell_missing(attempt, f"{name}.log", err)
            return None
        return text

    async def _secrets(self) -> tuple[str, ...]:
        """Return what is known to be secret here."""
        coordinator = self._entry.runtime_data
        store = SecretStore(self._hass, coordinator.thing_name)
        known = [*(await store.async_load()).values()]
        known.append(os.environ.get("SUPERVISOR_TOKEN", ""))
        path = self._hass.config.path("secrets.yaml")
        try:
            written: dict[str, Any] = await self._in_thread(load_yaml_dict, path)
        except OSError, HomeAssistantError:
            written = {}
        return (*known, *map(str, written.values()))

    def _in_thread[*ArgsT, T](self, work: Callable[[*ArgsT], T], *args: *ArgsT) -> Any:
        return self._hass.async_add_executor_job(work, *args)


STEP = CollectLogs


def _tell_missing(attempt: Attempt, name: str, err: Exception) -> None:
    why = getattr(err, "strerror", None) or str(err) or "why is in Home Assistant's log"
    attempt.write(f"{name} could not be read: {why}")


def _add(
    archive: tarfile.TarFile,
    name: str,
    read: Callable[[], bytes],
    secrets: tuple[str, ...],
) -> int:
    """Add the end of a log, as it may be seen; return its size. Blocks."""
    data = read()
    if len(data) > LIMIT:
        # From a whole line on.
        data = data[-LIMIT:].partition(b"\n")[2]
    if not data:
        return 0
    data = redacted(data, secrets).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
    archive.addfile(member, io.BytesIO(data))
    return len(data)


def _tail(path: Path) -> bytes:
    """Return the end of a file: one byte more than is wanted tells that it had more."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LIMIT - 1))
        return file.read(LIMIT + 1)


def _system_log(entries: list[dict[str, Any]]) -> bytes:
    """Return what Home Assistant remembers of warnings and errors, oldest first."""
    lines = list[str]()
    for entry in reversed(entries):
        at = datetime.fromtimestamp(entry["timestamp"], UTC).isoformat(" ", "seconds")
        for message in entry["message"]:
            lines.append(f"{at} {entry['level']} [{entry['name']}] {message}")
        if entry["exception"]:
            lines.append(entry["exception"])
    return "".join(f"{line}\n" for line in lines).encode()


def _job_log(found: JobLogText) -> bytes:
    texts = (step.text(timestamps=True) for step in found.steps if step.lines)
    return "".join(f"{text}\n" for text in texts).encode()
