"""A machine for the handlers: real small tools, and fakes of what must not really run."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
import os
from pathlib import Path
import re
import shutil
import subprocess

from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import (
    HandlerCall,
    RunEvent,
    RunOutput,
    RunResult,
    StepRequest,
)

HANDLERS = Path(__file__).parents[2] / "handlers"
BOOT_ID = "11111111-1111-1111-1111-111111111111"
NEXT_BOOT_ID = "22222222-2222-2222-2222-222222222222"

_TOOLS = """
    sh awk cat chmod chown cut date df dirname env find grep head id mktemp mv readlink rm
    sed setpriv setsid sha256sum sleep stat sync test touch tr true truncate
"""
_SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def real_program(name: str) -> Path:
    """Return where a program of this system is."""
    found = shutil.which(name, path=_SYSTEM_PATH)
    assert found is not None, f"{name} is not installed"
    return Path(found)


class Toolset(Enum):
    """Whose shell and tools there are."""

    DEBIAN = "dash and GNU's tools"
    BUSYBOX = "BusyBox"


@dataclass(frozen=True, slots=True)
class Call:
    """A fake was called: by whom, and with which argv."""

    user: str
    argv: tuple[str, ...]


@dataclass
class Machine:
    """The handlers in a handler directory, and a folder that has all programs there are.

    The paths of the system that the handlers look at lie below `folder`.
    """

    folder: Path
    toolset: Toolset
    grace: float = 5.0
    events: list[RunEvent] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Set everything up."""
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        self.handlers = self.folder / "handlers"
        self._calls = self.folder / "calls"
        self._calls.touch()
        # Whoever a fake runs as, it writes down that it was called.
        self._calls.chmod(0o666)
        self.open_folder = self.folder / "open"
        self.open_folder.mkdir()
        self.open_folder.chmod(0o777)
        self.provide(*_TOOLS.split())
        if self.toolset is Toolset.DEBIAN:
            self.provide("getent")
        self._install_handlers()
        self.boot(BOOT_ID)

    def provide(self, *names: str) -> None:
        """Link programs of the toolset."""
        for name in names:
            self._link(name, self._program(name))

    def provide_real(self, name: str, as_name: str | None = None) -> None:
        """Link a program of this system, which the toolset lacks."""
        self._link(as_name or name, real_program(name))

    def take_away(self, *names: str) -> None:
        """Have a machine without these programs."""
        for name in names:
            (self.programs / name).unlink()

    def fake(self, name: str, then: str = "") -> None:
        """Put a program that writes its call down, and then does as told, in shell."""
        file = self.programs / name
        file.unlink(missing_ok=True)
        file.write_text(
            "#!/bin/sh\n"
            f'{{ id -un; printf "%s\\n" {name} "$@"; echo; }} >>{self._calls}\n{then}\n'
        )
        file.chmod(0o755)

    @property
    def calls(self) -> list[Call]:
        """The calls of fakes so far, in their order."""
        texts = self._calls.read_text().split("\n\n")[:-1]
        calls = [text.split("\n") for text in texts]
        return [Call(user, tuple(argv)) for user, *argv in calls]

    @property
    def commands(self) -> list[str]:
        """The calls of fakes so far, as command lines."""
        return [" ".join(call.argv) for call in self.calls]

    def forget_calls(self) -> None:
        """Start the list of calls anew."""
        self._calls.write_text("")

    def file(self, path: str, text: str = "") -> Path:
        """Write a file of the system, such as etc/os-release."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def boot(self, boot_id: str) -> None:
        """Have the kernel booted with this boot ID."""
        self.file("boot_id", f"{boot_id}\n")

    def set_constant(self, file: str, name: str, value: object) -> None:
        """Change what a shell variable at the head of a handler's file is set to."""
        path = self.handlers / file
        text, count = re.subn(
            rf"^{name}=.*$",
            lambda _: f"{name}='{value}'",
            path.read_text(),
            flags=re.MULTILINE,
        )
        assert count == 1, f"{file} does not set {name} once"
        path.write_text(text)

    def request(
        self,
        handler: str,
        *args: str,
        attempt: int = 1,
        step: int = 1,
        job: str = "job",
    ) -> StepRequest:
        """Return what the agent asks for; the first of `args` is the user.

        The agent's own check of that user is left out: it is the handler's turn.
        """
        return StepRequest(
            run_id=f"{job}.1.{step}.{attempt}",
            job_key=f"{job}.1",
            call=HandlerCall(handler=handler, args=args, path="default"),
            environment={
                "AWS_IOT_THING_NAME": "thing-1",
                "AWS_IOT_JOB_ID": job,
                "AWS_IOT_JOBS_EXECUTION_NUMBER": "1",
                "AWS_IOT_JOBS_STEP": str(step),
                "AWS_IOT_JOBS_ATTEMPT": str(attempt),
            },
        )

    @property
    def runner(self) -> LocalRunner:
        """A runner for the handlers here."""
        return LocalRunner(self.handlers, self.folder / "work", grace=self.grace)

    async def run(
        self,
        handler: str,
        *args: str,
        attempt: int = 1,
        step: int = 1,
        job: str = "job",
    ) -> RunResult:
        """Run a handler as the agent does."""
        request = self.request(handler, *args, attempt=attempt, step=step, job=job)
        return await self.runner.run(request, self.note)

    def run_as(
        self, user: str, handler: str, *args: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a handler as an agent that runs as another user than root."""
        for file in (self.handlers, *self.handlers.rglob("*")):
            shutil.chown(file, user)
        setpriv = real_program("setpriv")
        become = (setpriv, f"--reuid={user}", "--regid=nogroup", "--clear-groups", "--")
        return subprocess.run(
            (*become, self.handlers / handler, *args),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self) -> Mapping[str, str]:
        """Return the environment of an agent here."""
        return {"PATH": str(self.programs), "HOME": "/", "LANG": "C.UTF-8"}

    async def printed(self, text: str) -> None:
        """Wait until a handler that runs has printed something."""
        async with asyncio.timeout(10):
            while text not in self._output():
                self._changed.clear()
                await self._changed.wait()

    def _output(self) -> str:
        data = [event.data for event in self.events if isinstance(event, RunOutput)]
        return b"".join(data).decode()

    def note(self, event: RunEvent) -> None:
        """Take an event of a run."""
        self.events.append(event)
        self._changed.set()

    def _link(self, name: str, program: Path) -> None:
        (self.programs / name).unlink(missing_ok=True)
        (self.programs / name).symlink_to(program)

    def _program(self, name: str) -> Path:
        if self.toolset is Toolset.BUSYBOX:
            return real_program("busybox")
        return real_program("dash" if name == "sh" else name)

    def _install_handlers(self) -> None:
        """Copy the handlers as a user does, for the shell and the paths of this machine."""
        shutil.copytree(HANDLERS, self.handlers)
        for path in (self.handlers, *self.handlers.rglob("*")):
            path.chmod(0o700)
        for path in self.handlers.glob("*.sh"):
            first, rest = path.read_text().split("\n", 1)
            assert first == "#!/bin/sh"
            path.write_text(f"#!{self.programs / 'sh'}\n{rest}")
        boot_id = self.folder / "boot_id"
        for file, name, value in (
            ("lib/packages.sh", "os_release_files", self.folder / "etc/os-release"),
            ("lib/packages.sh", "apt_lists", self.folder / "lists"),
            ("lib/packages.sh", "lock_poll_seconds", 0.01),
            ("lib/services.sh", "systemd_runs", self.folder / "run/systemd/system"),
            ("lib/services.sh", "openrc_runs", self.folder / "run/openrc/softlevel"),
            ("lib/services.sh", "s6_folders", self.folder / "run/service"),
            ("reboot.sh", "boot_id_file", boot_id),
            ("shutdown.sh", "boot_id_file", boot_id),
            ("shutdown.sh", "systemd_runs", self.folder / "run/systemd/system"),
        ):
            self.set_constant(file, name, value)
