"""A home that enrols, as far as it is on disk.

As in Home Assistant, the entry is saved first, and only then what was kept until then is
forgotten.
"""

import asyncio
from collections.abc import Callable
import json
from pathlib import Path
import sys
from typing import Any

from custom_components.aws_iot_jobs.aws_iot.enrolment import EnrolmentRequest, enrol
from custom_components.aws_iot_jobs.aws_iot.pending_enrolment import PendingEnrolment

CRASHED = 99
"""The exit status of one that was to crash, and did."""

_PROGRAM = Path(__file__).with_name("enrolment_program.py")


class Home:
    """A home's folder: the request, what is kept of the enrolment, and the entry."""

    def __init__(self, folder: Path) -> None:
        """Take the folder. `on_write` is called after each write."""
        self.folder = folder
        self.on_write: Callable[[], None] = lambda: None
        self._request = folder / "request.json"
        self._pending = folder / "pending.json"
        self._entry = folder / "entry.json"

    def ask(self, request: EnrolmentRequest, crash_after: int | None = None) -> None:
        """Write down what is to be asked for, and after how many deeds to crash."""
        self._request.parent.mkdir(parents=True, exist_ok=True)
        assert request.root_ca is not None
        asked = {
            "endpoint": request.endpoint,
            "port": request.port,
            "root_ca": request.root_ca.decode(),
            "claim_certificate": request.claim_certificate.decode(),
            "claim_private_key": request.claim_private_key.decode(),
            "template": request.template,
            "parameters": dict(request.parameters),
            "crash_after": crash_after,
        }
        self._request.write_text(json.dumps(asked))

    @property
    def asked(self) -> dict[str, Any]:
        """What is to be asked for."""
        asked: dict[str, Any] = json.loads(self._request.read_bytes())
        return asked

    @property
    def entry(self) -> dict[str, str] | None:
        """The entry, once it is saved."""
        if not self._entry.exists():
            return None
        entry: dict[str, str] = json.loads(self._entry.read_bytes())
        return entry

    @property
    def kept(self) -> str:
        """All that is on disk but the request."""
        files = (self._pending, self._entry)
        return "".join(file.read_text() for file in files if file.exists())

    async def load(self) -> PendingEnrolment | None:
        """Return what is kept."""
        if not self._pending.exists():
            return None
        return PendingEnrolment.from_json(json.loads(self._pending.read_bytes()))

    async def save(self, pending: PendingEnrolment) -> None:
        """Keep this."""
        self._write(self._pending, pending.as_json())

    async def enrol(self) -> None:
        """Enrol as it is asked for, and save the entry."""
        asked = self.asked
        request = EnrolmentRequest(
            endpoint=asked["endpoint"],
            port=asked["port"],
            root_ca=asked["root_ca"].encode(),
            claim_certificate=asked["claim_certificate"].encode(),
            claim_private_key=asked["claim_private_key"].encode(),
            template=asked["template"],
            parameters=asked["parameters"],
        )
        settings = await enrol(request, self)
        entry = {
            "thing_name": settings.thing_name,
            "certificate": settings.certificate.decode(),
            "private_key": settings.private_key.decode(),
        }
        self._write(self._entry, entry)
        self._pending.unlink()

    def _write(self, file: Path, content: dict[str, Any]) -> None:
        new = file.with_suffix(".new")
        new.write_text(json.dumps(content))
        new.replace(file)
        self.on_write()


async def start(home: Home) -> asyncio.subprocess.Process:
    """Let a home enrol in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable, str(_PROGRAM), str(home.folder)
    )
