"""The app's container: built here, and run as Supervisor runs it.

It uses the host's network, as elsewhere a port of the host is all that it needs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
import json
from pathlib import Path
import time
from typing import Any
import uuid

import aiohttp
from aiohttp import web
import pytest

from custom_components.aws_iot_jobs.runner.client import RunnerAddress, RunnerClient
from custom_components.aws_iot_jobs.runner.model import (
    CommandCall,
    HandlerCall,
    RunOutcome,
    StepRequest,
)

from ..agent_process import AgentProcess
from ..broker import Broker
from ..fake_jobs_service import FakeJobsService
from ..jobs.conftest import THING, broker, service, sockets_on_loopback  # noqa: F401
from .containers import CONFIG, PODMAN, PORT, ROOT, Container, command, missing

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing()),
    # Making the base takes a minute, once.
    pytest.mark.timeout(600),
    # There is one image, and one port for all that is made of it.
    pytest.mark.xdist_group("app"),
]

TEMPLATES = ROOT / "tests" / "templates"
SUPERVISOR_ADDRESS = "127.0.0.2"
_images: list[str] = []


@pytest.fixture
async def image() -> str:
    """Build the app's image, once."""
    if not _images:
        said = await command(str(ROOT / "scripts" / "app-image"), within=500)
        _images.append(said.strip())
    return _images[0]


@pytest.fixture
async def container(
    image: str, tmp_path: Path, socket_enabled: None
) -> AsyncIterator[Container]:
    """Return a container that does not run yet."""
    it = Container(image, f"aws-iot-jobs-{uuid.uuid4().hex[:8]}", tmp_path / "host")
    it.folder.mkdir()
    yield it
    await it.remove()


@pytest.fixture
async def running(container: Container) -> Container:
    """Return a container whose service answers."""
    await container.start()
    await _answers(container)
    return container


@pytest.fixture
async def client(running: Container) -> AsyncIterator[RunnerClient]:
    """Return a client of the service."""
    async with aiohttp.ClientSession() as session:
        yield RunnerClient(session, _address(running), namespace=THING)


def _address(container: Container) -> RunnerAddress:
    return RunnerAddress(url=f"http://127.0.0.1:{PORT}", token=container.token)


async def _answers(container: Container, within: float = 30) -> None:
    async with asyncio.timeout(within), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{PORT}/health") as response:
                    assert response.status == 200
                    return
            await asyncio.sleep(0.1)


async def _until(condition: Callable[[], object], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.05)


def _shell(script: str, run_id: str = "job.1.1.1") -> StepRequest:
    call = CommandCall(argv=("sh", "-c", script))
    return StepRequest(run_id=run_id, job_key="job.1", call=call)


async def test_the_service_answers(running: Container, client: RunnerClient) -> None:
    """It says which version it is, and has the samples ready to run."""
    info = await client.info()
    assert info.app_version == CONFIG["version"]
    assert info.operating_systems == ("linux", "debian")
    handlers = await client.handlers()
    samples = [path for path in (ROOT / "handlers").rglob("*") if path.is_file()]
    assert handlers == {
        str(sample.relative_to(ROOT / "handlers")): None for sample in samples
    }
    assert (running.data / "token").stat().st_mode & 0o777 == 0o600
    assert running.token not in await running.log()


async def test_a_bundle_is_looked_for_in_share(
    running: Container, client: RunnerClient
) -> None:
    """Home Assistant is set up with it."""
    assert await client.bundle() is None
    (running.folder / "share" / "aws_iot_jobs.json").write_text("{}")
    assert await client.bundle() == b"{}"


async def test_the_users_handlers_stay(running: Container) -> None:
    """Over a new start; a changed sample too."""
    changed = running.handlers / "reboot.sh"
    changed.write_text("#!/bin/sh\necho mine\n")
    own = running.handlers / "own.sh"
    own.write_text("#!/bin/sh\n")
    token = running.token
    await running.start()
    await _answers(running)
    assert changed.read_text() == "#!/bin/sh\necho mine\n"
    assert own.stat().st_mode & 0o777 == 0o644
    assert running.token == token


async def test_a_managed_template_installs_a_package_in_the_container(
    running: Container,
    broker: Broker,  # noqa: F811
    service: FakeJobsService,  # noqa: F811
    tmp_path: Path,
) -> None:
    """A real one of Debian's; AWS says SUCCEEDED, and this system has nothing new."""
    document = json.loads((TEMPLATES / "AWS-Install-Application.set.json").read_text())
    action = document["steps"][0]["action"]
    action["input"]["args"] = ["hello"]
    action["runAsUser"] = "root"
    document["includeStdOut"] = True
    agent = AgentProcess(
        broker.settings(THING), tmp_path, running.handlers, runner=_address(running)
    )
    await agent.start()
    job = await service.ended(service.create_job(document), within=120)
    await agent.stop()
    assert (job.status, job.status_details.get("stderr", "")) == ("SUCCEEDED", "")
    assert "hello" in job.status_details["stdout"]
    assert await running.run("hello", "--greeting=installed") == "installed\n"
    assert not Path("/usr/bin/hello").exists()


async def test_a_handler_cannot_read_home_assistants_files(
    running: Container, client: RunnerClient
) -> None:
    """Of the host, the container has the folders that config.yaml names, and no other."""
    secrets = running.folder / "homeassistant" / "secrets.yaml"
    secrets.parent.mkdir()
    secrets.write_text("password: ours")
    handler = running.handlers / "look.sh"
    handler.write_text(
        "#!/bin/sh\nfind / -name secrets.yaml -not -path '/proc/*'\n"
        "ls -d /homeassistant /ssl /backup /media/* /app_configs /local_apps\n"
        "awk '{ print $5 }' /proc/self/mountinfo >&2\n"
    )
    handler.chmod(0o700)
    call = HandlerCall(handler="look.sh", path="default")
    request = StepRequest(run_id="job.1.1.1", job_key="job.1", call=call)
    result = await client.run(request, print)
    assert result.stdout == ""
    mounted = {line for line in result.stderr.splitlines() if line.startswith("/")}
    system = ("/proc", "/sys", "/dev", "/run", "/etc")
    folders = {each for each in mounted - {"/"} if not each.startswith(system)}
    assert folders == {"/config", "/share", "/data"}


async def test_handlers_do_not_get_supervisors_token(
    container: Container, supervisor: FakeSupervisor
) -> None:
    """Nor the service's, by their environment."""
    container.environment = {"SUPERVISOR_TOKEN": supervisor.token}
    await container.start()
    await _answers(container)
    async with aiohttp.ClientSession() as session:
        client = RunnerClient(session, _address(container), namespace=THING)
        result = await client.run(_shell("env"), print)
    assert "AWS_IOT_JOBS_DIR=/data/work/" in result.stdout
    assert "TOKEN" not in result.stdout


async def test_another_container_without_the_token_can_run_nothing(
    container: Container,
) -> None:
    """As any app on Supervisor's network could try."""
    async with _two_networks() as (ours, theirs):
        container.network = f"ns:/run/netns/{ours.name}"
        await container.start()
        await _until((container.data / "token").exists)
        run = {"job_key": "job", "command": {"argv": ["touch", "/share/ran"]}}
        ask = (
            *("--network", f"ns:/run/netns/{theirs.name}"),
            *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
            *("--rm", "--no-healthcheck", "--entrypoint", "curl", container.image),
            *("--silent", "--retry", "20", "--retry-connrefused", "--retry-delay", "1"),
            *("--write-out", " %{http_code}\n", "--request", "PUT"),
            *("--data", json.dumps(run), f"http://{ours.address}:{PORT}/v1/runs/one"),
        )
        denied = await command(*PODMAN, "run", *ask)
        wrong = await command(*PODMAN, "run", *ask, "--oauth2-bearer", "guessed")
        assert denied == wrong == '{"error": "401: Unauthorized"} 401\n'
        assert not (container.folder / "share" / "ran").exists()
        right = await command(*PODMAN, "run", *ask, "--oauth2-bearer", container.token)
        assert right.endswith(" 201\n")
        await _until((container.folder / "share" / "ran").exists)


class _Network:
    """A network namespace, and its address."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address


@contextlib.asynccontextmanager
async def _two_networks() -> AsyncIterator[tuple[_Network, _Network]]:
    """Make two networks that reach each other, and nothing else."""
    some = uuid.uuid4().hex[:6]
    networks = (
        _Network(f"jobs-a-{some}", "10.99.0.1"),
        _Network(f"jobs-b-{some}", "10.99.0.2"),
    )
    ends = (f"a{some}", f"b{some}")
    try:
        for network in networks:
            await command("ip", "netns", "add", network.name)
        await command(
            *("ip", "link", "add", ends[0], "netns", networks[0].name),
            *("type", "veth", "peer", "name", ends[1], "netns", networks[1].name),
        )
        for network, end in zip(networks, ends, strict=True):
            address = f"{network.address}/24"
            inside = ("ip", "-n", network.name)
            await command(*inside, "addr", "add", address, "dev", end)
            await command(*inside, "link", "set", end, "up")
            await command(*inside, "link", "set", "lo", "up")
        yield networks
    finally:
        for network in networks:
            with contextlib.suppress(Exception):
                await command("ip", "netns", "del", network.name)


async def test_a_stop_is_in_time(container: Container) -> None:
    """A handler that will not end is killed after its grace time; it was interrupted."""
    container.options = {"stop_grace": 2}
    await container.start()
    await _answers(container)
    async with aiohttp.ClientSession() as session:
        client = RunnerClient(session, _address(container), namespace=THING)
        script = "trap 'touch /share/told' TERM; touch /share/began; while :; do sleep 1; done"
        step = asyncio.create_task(client.run(_shell(script), print))
        await _until((container.folder / "share" / "began").exists)
        before = time.monotonic()
        await container.stop()
        assert 2 <= time.monotonic() - before < 7
        assert (container.folder / "share" / "told").exists()
        await container.start()
        assert (await step).outcome is RunOutcome.INTERRUPTED


async def test_a_killed_service_ends_the_container(
    running: Container, client: RunnerClient
) -> None:
    """So that it is started again; what ran was interrupted."""
    script = "touch /share/began; sleep 300"
    step = asyncio.create_task(client.run(_shell(script), print))
    await _until((running.folder / "share" / "began").exists)
    with contextlib.suppress(Exception):
        await running.run("sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")
    await command(*PODMAN, "wait", running.name)
    await running.start()
    assert (await step).outcome is RunOutcome.INTERRUPTED


class FakeSupervisor:
    """Supervisor's API, as far as the app uses it; it does not answer well at once."""

    def __init__(self) -> None:
        """Answer with errors first."""
        self.token = uuid.uuid4().hex
        self.requests: list[tuple[str | None, Any]] = []
        self.answers = [503, 400, 200]

    async def discovery(self, request: web.Request) -> web.Response:
        """Take an announcement."""
        message = await request.json()
        self.requests.append((request.headers.get("Authorization"), message))
        status = self.answers[min(len(self.requests), len(self.answers)) - 1]
        # As Supervisor does it, the answer to a wrong message repeats it.
        return web.json_response({"message": f"Not valid: {message}"}, status=status)


@pytest.fixture
async def supervisor(
    container: Container, socket_enabled: None
) -> AsyncIterator[FakeSupervisor]:
    """Run Supervisor's API where the app looks for it."""
    supervisor = FakeSupervisor()
    app = web.Application()
    app.router.add_post("/discovery", supervisor.discovery)
    serving = web.AppRunner(app)
    await serving.setup()
    await web.TCPSite(serving, SUPERVISOR_ADDRESS, 80).start()
    container.more = ("--add-host", f"supervisor:{SUPERVISOR_ADDRESS}")
    yield supervisor
    await serving.cleanup()


async def test_the_app_is_announced(
    container: Container, supervisor: FakeSupervisor
) -> None:
    """Until Supervisor takes it, and without a word of the tokens in the log."""
    container.environment = {"SUPERVISOR_TOKEN": supervisor.token}
    await container.start()
    await _until(lambda: len(supervisor.requests) == 3)
    authorization, message = supervisor.requests[-1]
    assert authorization == f"Bearer {supervisor.token}"
    assert message == {
        "service": "aws_iot_jobs",
        "config": {
            "host": (await container.run("hostname")).strip(),
            "port": PORT,
            "token": container.token,
        },
    }
    log = ""
    async with asyncio.timeout(10):
        while "Home Assistant can find this app now" not in log:
            log = await container.log()
    assert "does not take the announcement: 503" in log
    assert container.token not in log
    assert supervisor.token not in log
    states = "cat /proc/[0-9]*/stat | sed 's/.*) //' | cut -c 1"
    assert "Z" not in await container.run("sh", "-c", states)


async def test_extra_packages_are_there_before_the_service(
    container: Container,
) -> None:
    """One that does not exist is told, and the service answers all the same."""
    container.options = {"extra_packages": ["hello"]}
    await container.start()
    await _answers(container, within=120)
    assert await container.run("hello", "--greeting=extra") == "extra\n"
    container.options = {"extra_packages": ["there-is-no-such-package"]}
    await container.start()
    await _answers(container, within=120)
    assert "could be installed: there-is-no-such" in await container.log()
