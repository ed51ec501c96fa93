"""The app's container as Supervisor runs it, by podman."""

import asyncio
from collections.abc import Mapping, Sequence
import contextlib
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import shutil
from typing import Any

from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = load_yaml_dict(str(ROOT / "addon" / "config.yaml"))
PORT = 8099

PODMAN = ("podman", "--cgroup-manager", "cgroupfs", "--runtime", "runc")
# More than this is refused in some containers.
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
# Where Supervisor puts the folders of `map`.
_MAPPED = {"app_config": "/config", "share": "/share"}


def missing() -> str:
    """Return why there can be no containers here; nothing when there can."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    programs = ("buildah", "podman", "debootstrap", "runc", "ip")
    if gone := [name for name in programs if shutil.which(name, path=path) is None]:
        return f"no {', '.join(gone)} here; scripts/app-image --install gets them"
    return "" if os.geteuid() == 0 else "containers are made as root"


class CommandError(Exception):
    """A command has failed; says what it wrote."""


async def command(*argv: str, within: float = 60) -> str:
    """Run a command, and return what it wrote. Raises CommandError."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(within):
        out, err = await process.communicate()
    if process.returncode != 0:
        raise CommandError(f"{argv} has failed: {err.decode()}{out.decode()}")
    return out.decode()


@dataclass
class Container:
    """A container of the app. What it keeps lies below `folder`, and outlives it."""

    image: str
    name: str
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = "host"
    more: Sequence[str] = ()

    @property
    def data(self) -> Path:
        """The app's data."""
        return self.folder / "data"

    @property
    def handlers(self) -> Path:
        """The app's handler directory."""
        return self.folder / "app_config" / "handlers"

    @property
    def token(self) -> str:
        """The token of its service."""
        return (self.data / "token").read_text()

    async def start(self) -> None:
        """Start a new container, as Supervisor does each time."""
        await self.remove()
        self.data.mkdir(parents=True, exist_ok=True)
        options = CONFIG["options"] | self.options
        (self.data / "options.json").write_text(json.dumps(options))
        volumes = [f"{self.data}:/data"]
        for entry in CONFIG["map"]:
            name, _, mode = entry.partition(":")
            (self.folder / name).mkdir(exist_ok=True)
            volumes.append(f"{self.folder / name}:{_MAPPED[name]}:{mode or 'ro'}")
        await command(
            *(*PODMAN, "run", "--detach", "--name", self.name, "--no-healthcheck"),
            *(*_LIMITS, "--network", self.network, *self.more),
            *(f"--volume={volume}" for volume in volumes),
            *(f"--env={name}={value}" for name, value in self.environment.items()),
            self.image,
        )

    async def run(self, *argv: str) -> str:
        """Run a command in the container. Raises CommandError."""
        return await command(*PODMAN, "exec", self.name, *argv)

    async def log(self) -> str:
        """Return all that it has logged."""
        return await command("sh", "-c", f"{' '.join(PODMAN)} logs {self.name} 2>&1")

    async def stop(self) -> None:
        """Stop it with the time that Supervisor gives it."""
        await command(
            *(*PODMAN, "stop", "--time", str(CONFIG["timeout"]), self.name),
            within=CONFIG["timeout"] + 20,
        )

    async def remove(self) -> None:
        """Remove the container."""
        with contextlib.suppress(CommandError):
            await command(*PODMAN, "rm", "--force", "--time", "0", self.name)
