"""A real MQTT broker on loopback that lets a thing do what the minimal policy allows.

It is mosquitto with mutual TLS: the common name of a certificate is who it speaks for. The
dynamic-security plugin answers what the policy does not allow as AWS IoT does, with reason
code 0x87 for that topic alone.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
import json
import os
from pathlib import Path
import re
import shutil
import signal
import socket
import ssl
from types import TracebackType
from typing import Any, Self

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings

from .certificates import CertificateAuthority, Credentials

HOST = "localhost"
SERVICE = "aws"
"""The name of the client that may do everything: AWS's part in a test."""
CLAIM = "claim"
"""The name of whoever has the claim, where there is one."""

_START_SECONDS = 10
_END_SECONDS = 10
_PLUGIN = "mosquitto_dynamic_security.so"
_RUNNING = re.compile(r"mosquitto version \S+ running")


class Broker:
    """A mosquitto that runs for as long as its context lasts, always on the same port.

    `ca` signs the certificates of all who may connect.
    """

    def __init__(
        self,
        directory: Path,
        things: Iterable[str] = ("thing-1",),
        *,
        forbidden: Iterable[str] = (),
        statements: Iterable[str] = (),
        template: str | None = None,
        packet_log: bool = True,
    ) -> None:
        """Prepare a broker that keeps its files in a directory.

        `forbidden` are topics and topic filters that no policy has, `statements` the optional
        statements, by their names, that the policy of each thing has. Where there is a
        `template`, there is a claim for it, too. Without a `packet_log`, which takes its
        time, `log` has only starts, ends and errors.
        """
        self.ca = CertificateAuthority()
        self.port = _free_port()
        self._directory = directory
        self._log_types = (
            ("all",) if packet_log else ("error", "warning", "notice", "information")
        )
        claims = () if template is None else (CLAIM,)
        self._credentials = {
            name: self.ca.device(name) for name in (SERVICE, *claims, *things)
        }
        self._log = _Log()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._write_files(
            _security(tuple(things), frozenset(forbidden), tuple(statements), template)
        )

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it, whatever state it is in."""
        await self.stop()

    def settings(self, thing: str = "thing-1") -> ConnectionSettings:
        """Return what a thing connects with."""
        credentials = self._credentials[thing]
        return ConnectionSettings(
            endpoint=HOST,
            port=self.port,
            thing_name=thing,
            certificate=credentials.certificate,
            private_key=credentials.private_key,
            root_ca=self.ca.certificate,
        )

    @property
    def claim(self) -> Credentials:
        """The certificate and key of the claim."""
        return self._credentials[CLAIM]

    @property
    def service_credentials(self) -> Credentials:
        """The certificate and key of the client that may do everything."""
        return self._credentials[SERVICE]

    def service_tls_context(self) -> ssl.SSLContext:
        """Return how the client that may do everything proves who it is."""
        certificate = self._directory / "service.pem"
        key = self._directory / "service.key"
        certificate.write_bytes(self.service_credentials.certificate)
        key.write_bytes(self.service_credentials.private_key)
        context = ssl.create_default_context(cadata=self.ca.certificate.decode())
        context.load_cert_chain(certificate, key)
        return context

    @property
    def log(self) -> tuple[str, ...]:
        """What the broker has logged, over all its starts: all packets, and denials."""
        return tuple(self._log.lines)

    async def logged(self, pattern: str, *, count: int = 1) -> None:
        """Wait until `count` lines of the log, from its beginning, have a pattern in them."""
        expression = re.compile(pattern)
        await self._log.wait(
            lambda lines: sum(bool(expression.search(line)) for line in lines) >= count
        )

    def subscribed_by(self, client_id: str) -> list[str]:
        """Return the topic filters that a client asked for, allowed or not."""
        expression = re.compile(rf"\d+: {re.escape(client_id)} \d+ (\S+)")
        found = map(expression.fullmatch, self._log.lines)
        return [match[1] for match in found if match]

    def published_by(self, client_id: str) -> list[str]:
        """Return the topics of the messages that a client sent, allowed or not."""
        expression = re.compile(
            rf"(?:Received|Denied) PUBLISH from {re.escape(client_id)} \(.*?'(.*?)'"
        )
        found = map(expression.search, self._log.lines)
        return [match[1] for match in found if match]

    async def start(self) -> None:
        """Start, and return when it takes connections."""
        assert self._process is None
        self._process = await asyncio.create_subprocess_exec(
            _mosquitto(),
            "-c",
            str(self._directory / "mosquitto.conf"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        starts = len(self._log.lines)
        self._reading = asyncio.create_task(self._log.read(self._process.stderr))
        async with asyncio.timeout(_START_SECONDS):
            await self._log.wait(
                lambda lines: any(map(_RUNNING.search, lines[starts:]))
            )

    async def stop(self) -> None:
        """Stop in an orderly way; a broker that does not run is left alone."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill it: connections break without a word."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop and start: sessions and subscriptions are lost."""
        await self.stop()
        await self.start()

    def freeze(self) -> None:
        """Let it do nothing, while its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> None:
        if (process := self._process) is None:
            return
        assert self._reading is not None
        if process.returncode is None:
            self.thaw()
            self._signal(number)
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            # One that gets its signal while it begins may never hear of it.
            process.kill()
            await process.wait()
        await self._reading
        self._process = self._reading = None

    def _write_files(self, security: dict[str, Any]) -> None:
        server = self.ca.server(HOST)
        files = {
            "ca.pem": self.ca.certificate,
            "server.pem": server.certificate,
            "server.key": server.private_key,
            "security.json": json.dumps(security).encode(),
            "mosquitto.conf": self._configuration().encode(),
        }
        self._directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (self._directory / name).write_bytes(content)

    def _configuration(self) -> str:
        directory = self._directory
        lines = [
            "log_dest stderr",
            *(f"log_type {log_type}" for log_type in self._log_types),
            f"listener {self.port} 127.0.0.1",
            f"cafile {directory / 'ca.pem'}",
            f"certfile {directory / 'server.pem'}",
            f"keyfile {directory / 'server.key'}",
            "require_certificate true",
            "use_identity_as_username true",
            "set_tcp_nodelay true",
            "message_size_limit 131072",
            f"plugin {_plugin()}",
            f"plugin_opt_config_file {directory / 'security.json'}",
        ]
        if os.geteuid() == 0:
            # Otherwise it becomes a user that cannot read the files here.
            lines.append("user root")
        return "\n".join((*lines, ""))


class _Log:
    """The lines of a log, as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = asyncio.Event()

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Take lines until the stream ends."""
        async for line in stream:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            self._changed.set()

    async def wait(self, condition: Callable[[list[str]], bool]) -> None:
        """Wait until the lines meet a condition."""
        while not condition(self.lines):
            self._changed.clear()
            await self._changed.wait()


def _security(
    things: tuple[str, ...],
    forbidden: frozenset[str],
    statements: tuple[str, ...],
    template: str | None,
) -> dict[str, Any]:
    """Return the configuration of the dynamic-security plugin."""
    everything = [
        _allow(kind, topic)
        for kind in (
            "publishClientSend",
            "publishClientReceive",
            "subscribePattern",
            "unsubscribePattern",
        )
        for topic in ("#", "$aws/#")
    ]
    policies = {
        thing: [
            *_minimal_policy(thing),
            *(rule for name in statements for rule in _OPTIONAL[name](thing)),
        ]
        for thing in things
    }
    if template is not None:
        policies[CLAIM] = _claim_policy(template)
    roles = {SERVICE: everything} | {
        name: [rule for rule in policy if rule["topic"] not in forbidden]
        for name, policy in policies.items()
    }
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": False,
        },
        "clients": [
            {"username": name, "roles": [{"rolename": name}]} for name in roles
        ],
        "groups": [],
        "roles": [{"rolename": name, "acls": acls} for name, acls in roles.items()],
    }


def _minimal_policy(thing: str) -> list[dict[str, Any]]:
    """Return what the documented policy allows a thing, and nothing else."""
    jobs = f"$aws/things/{thing}/jobs"
    heard = (
        f"{jobs}/start-next/accepted",
        f"{jobs}/start-next/rejected",
        f"{jobs}/+/update/accepted",
        f"{jobs}/+/update/rejected",
        f"{jobs}/notify-next",
    )
    return [
        *(
            _allow("publishClientSend", f"{jobs}/{said}")
            for said in ("start-next", "+/update")
        ),
        *(_allow("publishClientReceive", topic) for topic in heard),
        *(_allow("subscribePattern", topic) for topic in heard),
    ]


def _claim_policy(template: str) -> list[dict[str, Any]]:
    """Return what the documented policy allows a claim, but for its client id."""
    requests = (
        "$aws/certificates/create/json",
        "$aws/certificates/create-from-csr/json",
        f"$aws/provisioning-templates/{template}/provision/json",
    )
    return [
        *(_allow("publishClientSend", topic) for topic in requests),
        *(
            _allow(kind, f"{topic}/{answer}")
            # AWS IoT has no right of its own for the end of a subscription.
            for kind in (
                "publishClientReceive",
                "subscribePattern",
                "unsubscribePattern",
            )
            for topic in requests
            for answer in ("accepted", "rejected")
        ),
    ]


def _peek(thing: str) -> list[dict[str, Any]]:
    return [_allow("publishClientSend", f"$aws/things/{thing}/jobs/$next/get")]


def _peek_answers(kind: str, thing: str) -> list[dict[str, Any]]:
    topic = f"$aws/things/{thing}/jobs/$next/get"
    return [_allow(kind, f"{topic}/{answer}") for answer in ("accepted", "rejected")]


def _inventory(thing: str) -> list[dict[str, Any]]:
    topic = f"$aws/things/{thing}/shadow/name/home-assistant/update"
    return [_allow("publishClientSend", topic)]


def _rotation_answers(kind: str, _: str) -> list[dict[str, Any]]:
    # AWS IoT has no right of its own for the end of a subscription.
    kinds = (kind, "unsubscribePattern") if kind == "subscribePattern" else (kind,)
    return [
        _allow(one, f"{topic}/{answer}")
        for one in kinds
        for topic in _ROTATION_REQUESTS
        for answer in ("accepted", "rejected")
    ]


def _rotation(_: str) -> list[dict[str, Any]]:
    return [_allow("publishClientSend", topic) for topic in _ROTATION_REQUESTS]


_ROTATION_REQUESTS = (
    "$aws/certificates/create-from-csr/json",
    "$aws/provisioning-templates/homes-rotation/provision/json",
)

_OPTIONAL: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "Inventory": _inventory,
    "Peek": _peek,
    "PeekReceive": partial(_peek_answers, "publishClientReceive"),
    "PeekSubscribe": partial(_peek_answers, "subscribePattern"),
    "Rotation": _rotation,
    "RotationReceive": partial(_rotation_answers, "publishClientReceive"),
    "RotationSubscribe": partial(_rotation_answers, "subscribePattern"),
}
"""What the optional statements of the documented policy allow."""


def _allow(kind: str, topic: str) -> dict[str, Any]:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _mosquitto() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
    if (program := shutil.which("mosquitto", path=path)) is None:
        raise FileNotFoundError("mosquitto is not installed")
    return program


def _plugin() -> Path:
    for folder in (Path("/usr/lib"), Path("/usr/local/lib")):
        if found := [*folder.glob(_PLUGIN), *folder.glob(f"*/{_PLUGIN}")]:
            return found[0]
    raise FileNotFoundError(f"{_PLUGIN} of mosquitto is not installed")
