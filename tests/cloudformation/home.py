"""A home as AWS IoT sees it: a connection with a certificate, and what is answered on it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
import concurrent.futures
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from awscrt import mqtt5
from awscrt.mqtt_request_response import ClientOptions
from awsiot import V2ServiceException, mqtt5_client_builder
from awsiot.iotidentity import (
    CreateKeysAndCertificateRequest,
    IotIdentityClientV2,
    RegisterThingRequest,
)

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings

SECONDS = 20
NOT_AUTHORIZED = 0x87
FIRST_FAILURE = 0x80


class NotConnectedError(Exception):
    """AWS IoT has refused the connection."""


class NotProvisionedError(Exception):
    """AWS IoT makes no thing; `code` and `status` are what it says of that."""

    def __init__(self, status: int, code: str) -> None:
        """Take what is said."""
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCertificate:
    """A certificate that becomes a home's own by its token."""

    certificate: str
    private_key: str = field(repr=False)
    token: str = field(repr=False)


class Enrolment:
    """A home that shows a claim, and asks for a certificate and a thing."""

    def __init__(self, client: mqtt5.Client, bundle: Mapping[str, Any]) -> None:
        """Take the connection, and what the bundle says."""
        self._bundle = bundle
        self._identity = IotIdentityClientV2(client, ClientOptions(4, 2, SECONDS))

    async def new_certificate(self) -> NewCertificate:
        """Have AWS make a key and its certificate."""
        made = await _result(
            self._identity.create_keys_and_certificate(
                CreateKeysAndCertificateRequest()
            )
        )
        return NewCertificate(
            certificate=made.certificate_pem,
            private_key=made.private_key,
            token=made.certificate_ownership_token,
        )

    async def register(self, new: NewCertificate, serial: str) -> ConnectionSettings:
        """Have a thing made; return what it connects with. Raises NotProvisionedError."""
        request = RegisterThingRequest(
            template_name=self._bundle["template"],
            certificate_ownership_token=new.token,
            parameters=self._bundle["parameters"] | {"SerialNumber": serial},
        )
        try:
            made = await _result(self._identity.register_thing(request))
        except V2ServiceException as err:
            said = err.modeled_error
            raise NotProvisionedError(said.status_code, said.error_code) from err
        return ConnectionSettings(
            endpoint=self._bundle["endpoint"],
            port=self._bundle["port"],
            thing_name=made.thing_name,
            certificate=new.certificate.encode(),
            private_key=new.private_key.encode(),
            root_ca=self._bundle["rootCa"].encode(),
        )


@asynccontextmanager
async def enrolment(bundle: Mapping[str, Any]) -> AsyncIterator[Enrolment]:
    """Connect with the claim of a bundle, as a home that enrols does."""
    async with claim_connection(bundle, f"claim-{uuid4()}") as client:
        yield Enrolment(client, bundle)


async def enrol(bundle: Mapping[str, Any], serial: str) -> ConnectionSettings:
    """Enrol a home; return what it connects with. Raises NotProvisionedError."""
    async with enrolment(bundle) as home:
        return await home.register(await home.new_certificate(), serial)


def claim_connection(bundle: Mapping[str, Any], client_id: str) -> Any:
    """Connect with the claim of a bundle, under any name."""
    return connected(
        ConnectionSettings(
            endpoint=bundle["endpoint"],
            port=bundle["port"],
            thing_name=client_id,
            certificate=bundle["claimCertificate"].encode(),
            private_key=bundle["claimPrivateKey"].encode(),
            root_ca=bundle["rootCa"].encode(),
        )
    )


@asynccontextmanager
async def connected(settings: ConnectionSettings) -> AsyncIterator[mqtt5.Client]:
    """Connect under the name of a thing. Raises NotConnectedError if AWS IoT refuses it."""
    assert settings.root_ca is not None
    opened: concurrent.futures.Future[bool] = concurrent.futures.Future()
    stopped: concurrent.futures.Future[None] = concurrent.futures.Future()

    def tell(is_open: bool) -> None:
        if not opened.done():
            opened.set_result(is_open)

    client = mqtt5_client_builder.mtls_from_bytes(
        settings.certificate,
        settings.private_key,
        ca_bytes=settings.root_ca,
        endpoint=settings.endpoint,
        port=settings.port,
        client_id=settings.thing_name,
        on_lifecycle_connection_success=lambda _: tell(True),
        on_lifecycle_connection_failure=lambda _: tell(False),
        on_lifecycle_stopped=lambda _: stopped.set_result(None),
    )
    client.start()
    try:
        if not await _result(opened):
            raise NotConnectedError(settings.thing_name)
        yield client
    finally:
        client.stop()
        await _result(stopped)


async def publish(client: mqtt5.Client, topic: str, payload: str = "{}") -> int:
    """Publish, and return the reason code of the answer."""
    packet = mqtt5.PublishPacket(
        topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE
    )
    done = await _result(client.publish(packet))
    return int(done.puback.reason_code)


async def subscribe(client: mqtt5.Client, *filters: str) -> list[int]:
    """Subscribe, and return the reason codes of the answer."""
    packet = mqtt5.SubscribePacket(
        subscriptions=[
            mqtt5.Subscription(topic_filter=it, qos=mqtt5.QoS.AT_LEAST_ONCE)
            for it in filters
        ]
    )
    answer = await _result(client.subscribe(packet))
    return [int(code) for code in answer.reason_codes]


async def _result(future: concurrent.futures.Future[Any]) -> Any:
    """Wait for what awscrt gives; its future must not be canceled."""
    async with asyncio.timeout(SECONDS):
        return await asyncio.shield(asyncio.wrap_future(future))
