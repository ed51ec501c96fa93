"""The fleet provisioning MQTT API, with a claim: certificates, and things for them.

See "Device provisioning MQTT API" in the AWS IoT developer guide.
"""

import asyncio
from collections.abc import Callable, Mapping
import concurrent.futures
from dataclasses import dataclass, field, replace
from itertools import islice
import logging
import re
from types import TracebackType
from typing import Any, Self

from awscrt.mqtt_request_response import ClientOptions
from awsiot import V2ServiceException
from awsiot.iotidentity import (
    CreateCertificateFromCsrRequest,
    CreateCertificateFromCsrResponse,
    CreateKeysAndCertificateRequest,
    CreateKeysAndCertificateResponse,
    IotIdentityClientV2,
    RegisterThingRequest,
    V2ErrorResponse,
)

from .backoff import backoff
from .connect import connect, new_client_id
from .connection import ClientSettings
from .enrolment_errors import (
    ClaimPolicyError,
    ClaimRefusedError,
    EnrolmentError,
    HookFailedError,
    HookRefusedError,
    LimitedError,
    NoAnswerError,
    NotConnectedError,
    ParameterMissingError,
    ParametersInvalidError,
    TemplatePolicyError,
    TemplateUnusableError,
    TokenExpiredError,
    UnexpectedError,
)
from .errors import ConnectError, CredentialsError, NotAuthorizedError
from .mqtt import MqttConnection

_LOGGER = logging.getLogger(__name__)

ANSWER_TIMEOUT_SECONDS = 10
"""How long an answer may take, in whole seconds. A hook alone has 5 s."""
TRIES = 3
FIRST_BACKOFF_SECONDS = 1.0

_CREATE = "$aws/certificates/create/json"
_CREATE_FROM_CSR = "$aws/certificates/create-from-csr/json"

_REFUSED_ACTIONS = {
    "AWS_ERROR_MQTT_REQUEST_RESPONSE_SUBSCRIBE_FAILURE": ("iot:Subscribe", "/accepted"),
    "AWS_ERROR_MQTT_REQUEST_RESPONSE_PUBLISH_FAILURE": ("iot:Publish", ""),
}
_TIMEOUT = "AWS_ERROR_MQTT_REQUEST_RESPONSE_TIMEOUT"

_MISSING_PARAMETER = re.compile(r"Cannot resolve reference value: (\S+)")
THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCertificate:
    """A certificate, PEM, that is active once a thing is registered with its token.

    AWS deletes it otherwise, after an hour. `private_key` is the one that AWS has made.
    """

    certificate_id: str
    certificate: str = field(repr=False)
    ownership_token: str = field(repr=False)
    private_key: str | None = field(default=None, repr=False)


class Provisioning:
    """AWS IoT's provisioning, as who has a claim sees it, for as long as the context lasts.

    Connects when it is asked something, and again when that was lost. What may pass is
    asked again. All that is asked raises the EnrolmentError that tells what is in the way.
    """

    def __init__(self, claim: ClientSettings, client_id: str | None = None) -> None:
        """Take a claim's certificate and key, and where they are good for.

        A client that is no claim has a `client_id` of its own.
        """
        self._claim = claim
        self._client_id = client_id
        self._connection: MqttConnection | None = None
        self._identity: IotIdentityClientV2 | None = None

    async def __aenter__(self) -> Self:
        """Prepare."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._close()

    async def create_certificate_from_csr(self, signing_request: str) -> NewCertificate:
        """Have a key certified that is not told: its signing request, PEM, is.

        Where there is no answer, this is not asked twice.
        """
        request = CreateCertificateFromCsrRequest(
            certificate_signing_request=signing_request
        )
        answer = await self._ask(
            lambda identity: identity.create_certificate_from_csr(request),
            _CREATE_FROM_CSR,
            patient=False,
        )
        return _new_certificate(answer)

    async def create_keys_and_certificate(self) -> NewCertificate:
        """Have AWS make a key and its certificate."""
        request = CreateKeysAndCertificateRequest()
        answer = await self._ask(
            lambda identity: identity.create_keys_and_certificate(request), _CREATE
        )
        return replace(
            _new_certificate(answer), private_key=_text(answer.private_key, "key")
        )

    async def register_thing(
        self, template: str, ownership_token: str, parameters: Mapping[str, str]
    ) -> str:
        """Have a template's thing made, with the certificate of the token; return its name.

        May be asked again with the same token: it is the same certificate.
        """
        request = RegisterThingRequest(
            template_name=template,
            certificate_ownership_token=ownership_token,
            parameters=dict(parameters),
        )
        topic = f"$aws/provisioning-templates/{template}/provision/json"
        try:
            answer = await self._ask(
                lambda identity: identity.register_thing(request), topic
            )
        except ClaimPolicyError as err:
            raise TemplatePolicyError(err.action, err.resource) from err
        name = _text(answer.thing_name, "thing name")
        # It gets into topics and into the names of folders.
        if not THING_NAME.fullmatch(name):
            raise UnexpectedError(f"{name!r:.140} is no name of a thing")
        return name

    async def _ask[T](
        self,
        operation: Callable[[IotIdentityClientV2], concurrent.futures.Future[T]],
        topic: str,
        *,
        patient: bool = True,
    ) -> T:
        """Ask, and ask again what may pass; what is not answered only if `patient`."""
        delays = islice(backoff(FIRST_BACKOFF_SECONDS), TRIES - 1)
        while True:
            connection, identity = await self._connected()
            try:
                return await self._answer(connection, operation(identity), topic)
            except LimitedError as err:
                error: EnrolmentError = err
            except NoAnswerError as err:
                if not patient and not connection.lost.done():
                    raise
                error = err
            if (delay := next(delays, None)) is None:
                raise error
            _LOGGER.debug("%s: asked again: %s", topic, error)
            await asyncio.sleep(delay)

    async def _answer[T](
        self,
        connection: MqttConnection,
        asked: concurrent.futures.Future[T],
        topic: str,
    ) -> T:
        """Wait for an answer.

        The client completes its futures whatever we do, and fails on one that was
        cancelled: `asyncio.wait` leaves it alone.
        """
        operation = asyncio.wrap_future(asked)
        operation.add_done_callback(_take_notice)
        await asyncio.wait(
            (operation, connection.lost),
            timeout=ANSWER_TIMEOUT_SECONDS + 5,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not operation.done():
            raise NoAnswerError(_no_answer(connection, topic))
        try:
            return operation.result()
        except V2ServiceException as err:
            raise _error(err, connection, topic) from err

    async def _connected(self) -> tuple[MqttConnection, IotIdentityClientV2]:
        if self._connection is not None and self._connection.lost.done():
            await self._close()
        if self._connection is None or self._identity is None:
            try:
                self._connection = await connect(
                    self._claim, self._client_id or new_client_id()
                )
            except ConnectError as err:
                raise _not_connected(err) from err
            self._identity = IotIdentityClientV2(
                self._connection.client, ClientOptions(4, 2, ANSWER_TIMEOUT_SECONDS)
            )
        return self._connection, self._identity

    async def _close(self) -> None:
        self._identity = None
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _not_connected(error: ConnectError) -> EnrolmentError:
    """Return what it means that there is no connection with a claim."""
    if isinstance(error, NotAuthorizedError):
        return ClaimPolicyError(error.action, ", ".join(error.resources))
    if isinstance(error, CredentialsError):
        return ClaimRefusedError(str(error))
    return NotConnectedError(error)


def _error(
    err: V2ServiceException, connection: MqttConnection, topic: str
) -> EnrolmentError:
    """Return what the failure of a request means."""
    if isinstance(answer := err.modeled_error, V2ErrorResponse):
        _LOGGER.debug("%s: rejected: %s", topic, answer)
        return rejection(
            answer.status_code or 0, answer.error_code or "", answer.error_message or ""
        )
    name = getattr(err.inner_error, "name", "")
    if name == _TIMEOUT or connection.lost.done():
        return NoAnswerError(_no_answer(connection, topic))
    if name in _REFUSED_ACTIONS:
        action, ending = _REFUSED_ACTIONS[name]
        return ClaimPolicyError(action, topic + ending)
    return UnexpectedError(f"{topic}: {err.inner_error}")


def rejection(status: int, code: str, message: str) -> EnrolmentError:
    """Return what AWS's answer that it will not means."""
    text = message or code or f"status {status}"
    if code == "AccessDenied":
        return HookRefusedError(text)
    if "ownership token" in message.lower() or code == (
        "InvalidCertificateOwnershipToken"
    ):
        return TokenExpiredError(text)
    if found := _MISSING_PARAMETER.search(message):
        return ParameterMissingError(text, found[1])
    if code == "InvalidParameters" or "thingName" in message:
        return ParametersInvalidError(text)
    if code in {"InvocationError", "InvalidResult"}:
        return HookFailedError(text)
    if code in {"InvalidTemplate", "ProvisioningFailed"} or status == 404:
        return TemplateUnusableError(text)
    if status == 429 or re.search("limit|throttl", code, re.IGNORECASE):
        return LimitedError(text)
    if status >= 500:
        return NoAnswerError(text)
    return UnexpectedError(text)


def _new_certificate(
    answer: CreateCertificateFromCsrResponse | CreateKeysAndCertificateResponse,
) -> NewCertificate:
    return NewCertificate(
        certificate_id=_text(answer.certificate_id, "certificate id"),
        certificate=_text(answer.certificate_pem, "certificate"),
        ownership_token=_text(answer.certificate_ownership_token, "ownership token"),
    )


def _text(value: object, name: str) -> str:
    """Return a member of an answer that has to be there."""
    if isinstance(value, str) and value:
        return value
    raise UnexpectedError(f"AWS IoT has answered without a {name}")


def _no_answer(connection: MqttConnection, topic: str) -> str:
    if connection.lost.done():
        return f"the connection was lost meanwhile: {connection.lost.result().reason}"
    return f"no answer to {topic} within {ANSWER_TIMEOUT_SECONDS} s"


def _take_notice(operation: asyncio.Future[Any]) -> None:
    """Have the error of an operation that nobody waits for any more not be logged."""
    if not operation.cancelled():
        operation.exception()
