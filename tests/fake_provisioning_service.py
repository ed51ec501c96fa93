"""AWS IoT's fleet provisioning, over a real broker, with a template, and one for rotation.

Faithful to what was observed of AWS: tokens, statuses, and what is answered to what. Its
hook refuses a thing that has a certificate, unless it is the very one that is asked for. That
for rotation keeps two active: the one that the thing is connected with, and the one that it
asks for.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
import hashlib
import json
import secrets
import socket
import ssl
from typing import Any, Self

import aiomqtt

from .certificates import CertificateAuthority

TEMPLATE = "homes"
ROTATION_TEMPLATE = "homes-rotation"
SERIAL_NUMBER = "SerialNumber"
THING_NAME = "ThingName"

CREATE = "$aws/certificates/create/json"
CREATE_FROM_CSR = "$aws/certificates/create-from-csr/json"
REGISTER = f"$aws/provisioning-templates/{TEMPLATE}/provision/json"
ROTATE = f"$aws/provisioning-templates/{ROTATION_TEMPLATE}/provision/json"


@dataclass(kw_only=True)
class Certificate:
    """A certificate as the service has it."""

    certificate_id: str
    pem: str
    token: str
    status: str = "PENDING_ACTIVATION"
    thing_name: str | None = None


@dataclass
class Rejection(Exception):
    """A request is rejected."""

    code: str
    message: str
    status: int = 400


@dataclass
class ProvisioningFaults:
    """What goes wrong, as often as told; by topic.

    `silent` topics are never answered; of `lost`, the next answer is, after the request has
    had its effect. `rejections` are what the next requests are answered with.
    """

    silent: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    rejections: dict[str, list[Rejection]] = field(default_factory=dict)


class FakeProvisioningService:
    """The service. Use it as an async context manager."""

    def __init__(
        self, *, port: int, tls_context: ssl.SSLContext, authority: CertificateAuthority
    ) -> None:
        """Connect to a broker on the loopback interface.

        The authority signs its certificates. They have no status for the broker: one by
        another authority does as one that is not active.
        """
        self._port = port
        self._tls_context = tls_context
        self.authority = authority
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.faults = ProvisioningFaults()
        self.certificates: list[Certificate] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.on_request: Callable[[str], None] = lambda _: None
        self.on_effect: Callable[[str], None] = lambda _: None
        """Called when a request has had its effect, before it is answered."""
        self.used: Callable[[], str] = lambda: ""
        """Tells which certificate, PEM, a thing that rotates is connected with."""

    async def __aenter__(self) -> Self:
        """Connect, and stay connected until the end."""
        self._task = asyncio.create_task(self._serve())
        async with asyncio.timeout(10):
            await self._connected.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait((self._task,))

    @property
    def active(self) -> list[Certificate]:
        """The certificates that are active."""
        return [one for one in self.certificates if one.status == "ACTIVE"]

    @property
    def asked(self) -> list[str]:
        """The topics of all requests."""
        return [topic for topic, _ in self.requests]

    def forget_tokens(self) -> None:
        """Let an hour have passed: what is not active is gone, and no token is known."""
        self.certificates = self.active
        for certificate in self.certificates:
            certificate.token = ""

    async def _serve(self) -> None:
        async with aiomqtt.Client(
            "localhost",
            self._port,
            identifier="aws-provisioning",
            tls_context=self._tls_context,
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=5,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        ) as client:
            for topic in (CREATE, CREATE_FROM_CSR, REGISTER, ROTATE):
                await client.subscribe(topic, qos=1)
            self._connected.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                topic = str(message.topic)
                request = json.loads(message.payload or b"{}")
                self.requests.append((topic, request))
                self.on_request(topic)
                try:
                    answer, ending = self._answer(topic, request), "accepted"
                except Rejection as err:
                    answer, ending = _rejected(err), "rejected"
                self.on_effect(topic)
                if topic in self.faults.lost:
                    self.faults.lost.remove(topic)
                elif topic not in self.faults.silent:
                    await client.publish(f"{topic}/{ending}", json.dumps(answer), qos=1)

    def _answer(self, topic: str, request: dict[str, Any]) -> dict[str, Any]:
        if rejections := self.faults.rejections.get(topic):
            raise rejections.pop(0)
        if topic == CREATE:
            made = self.authority.device("thing-1")
            answer = self._issue(made.certificate.decode())
            return answer | {"privateKey": made.private_key.decode()}
        if topic == CREATE_FROM_CSR:
            csr = request["certificateSigningRequest"]
            return self._issue(self.authority.certify("thing-1", csr))
        return self._rotate(request) if topic == ROTATE else self._register(request)

    def add(self, pem: str, thing_name: str) -> None:
        """Have a thing that has a certificate already."""
        certificate_id = hashlib.sha256(pem.encode()).hexdigest()
        self.certificates.append(
            Certificate(
                certificate_id=certificate_id,
                pem=pem,
                token="",
                status="ACTIVE",
                thing_name=thing_name,
            )
        )

    def _issue(self, pem: str) -> dict[str, Any]:
        certificate = Certificate(
            certificate_id=hashlib.sha256(pem.encode()).hexdigest(),
            pem=pem,
            token=secrets.token_urlsafe(48),
        )
        self.certificates.append(certificate)
        return {
            "certificateId": certificate.certificate_id,
            "certificatePem": certificate.pem,
            "certificateOwnershipToken": certificate.token,
        }

    def _register(self, request: dict[str, Any]) -> dict[str, Any]:
        certificate = self._of_token(request)
        if (name := request["parameters"].get(SERIAL_NUMBER)) is None:
            raise Rejection(
                "InvalidParameters",
                f"Cannot resolve reference value: {SERIAL_NUMBER}",
            )
        if not self._allows(certificate, name):
            raise Rejection("AccessDenied", "Access Denied", 403)
        certificate.status = "ACTIVE"
        certificate.thing_name = name
        return {"deviceConfiguration": {}, "thingName": name}

    def _rotate(self, request: dict[str, Any]) -> dict[str, Any]:
        certificate = self._of_token(request)
        name, used = request["parameters"][THING_NAME], self.used()
        known = [one for one in self.active if one.thing_name == name]
        if used not in [one.pem for one in known]:
            raise Rejection("AccessDenied", "Access Denied", 403)
        for other in known:
            if other.pem != used and other is not certificate:
                other.status = "INACTIVE"
        certificate.status = "ACTIVE"
        certificate.thing_name = name
        return {"deviceConfiguration": {}, "thingName": name}

    def _of_token(self, request: dict[str, Any]) -> Certificate:
        token = request["certificateOwnershipToken"]
        for certificate in self.certificates:
            if certificate.token == token:
                return certificate
        raise Rejection(
            "InvalidCertificateOwnershipToken",
            "Certificate ownership token is invalid.",
        )

    def _allows(self, certificate: Certificate, name: str) -> bool:
        """Be the hook: a thing has one certificate, which may be asked for again."""
        known = [one for one in self.active if one.thing_name == name]
        return not known or known == [certificate]


def _rejected(err: Rejection) -> dict[str, Any]:
    return {
        "statusCode": err.status,
        "errorCode": err.code,
        "errorMessage": err.message,
    }
