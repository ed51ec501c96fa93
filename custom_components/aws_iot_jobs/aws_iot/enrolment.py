"""Enrolment with a claim: a certificate that many homes share gets each one of its own.

See "Provisioning by claim" in the AWS IoT developer guide.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import logging
import re
import time
from typing import Protocol

from .backoff import backoff
from .check import check_connection
from .connection import DEFAULT_PORT, ClientSettings, ConnectionSettings
from .enrolment_errors import (
    ClaimPolicyError,
    EnrolmentError,
    HookRefusedError,
    NoAnswerError,
    NotConnectedError,
    TemplateUnusableError,
    ThingPolicyError,
    ThingRefusedError,
    ThingUnknownError,
    TokenExpiredError,
    UnexpectedError,
)
from .errors import AwsIotError, ConnectError, CredentialsError, NotAuthorizedError
from .lost_registration import NotFoundError, can_connect, find_thing
from .pending_enrolment import PendingEnrolment
from .provisioning import THING_NAME, NewCertificate, Provisioning
from .proxy import Proxy
from .signing_request import make_private_key, signing_request

_LOGGER = logging.getLogger(__name__)

REFUSED_SECONDS = 60
"""How long a new certificate is tried at most: AWS IoT may refuse one at first."""
FIRST_BACKOFF_SECONDS = 2.0

_TEMPLATE = re.compile(r"[0-9A-Za-z_-]{1,36}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """With which claim, template and parameters a home is to be enrolled.

    Certificates and key are PEM. Without a `root_ca` the public certificate authorities
    are trusted. A thing that is to have another certificate, which its `thing_name` tells,
    shows the one that it has as a claim would.
    """

    endpoint: str
    template: str
    claim_certificate: bytes = field(repr=False)
    claim_private_key: bytes = field(repr=False)
    parameters: Mapping[str, str]
    root_ca: bytes | None = field(default=None, repr=False)
    port: int = DEFAULT_PORT
    thing_name: str | None = None
    proxy: Proxy | None = None


class EnrolmentStore(Protocol):
    """Where an enrolment that is under way is kept, so that a crash does not lose it.

    It has a private key in it: only Home Assistant's user may read it. Whoever enrols
    empties it, after what came of the enrolment is saved.
    """

    async def load(self) -> PendingEnrolment | None:
        """Return what is kept."""

    async def save(self, pending: PendingEnrolment) -> None:
        """Keep this instead, and return when it is on disk."""


async def enrol(request: EnrolmentRequest, store: EnrolmentStore) -> ConnectionSettings:
    """Enrol a home, and return what it connects with; that it can connect is tried.

    Goes on with what `store` has of an earlier try of the same request. Nothing of the
    claim is stored. Raises the EnrolmentError that tells what is in the way.
    """
    if not _TEMPLATE.fullmatch(request.template):
        raise TemplateUnusableError(f"{request.template!r:.80} is no template's name")
    return await _Enrolment(request, store).complete()


class _Enrolment:
    """One enrolment. What is known of it is stored before anything is done with it.

    So it can end anywhere. A certificate that no thing was registered for is never active,
    and AWS deletes it. One that may have been registered is registered again with the same
    token, as the same thing's: there is no second one. A hook that refuses a thing that has
    a certificate has to let that very certificate pass; where it does not, or the token has
    expired, the thing is found out by connecting.
    """

    def __init__(self, request: EnrolmentRequest, store: EnrolmentStore) -> None:
        self._request = request
        self._store = store
        self._claim = ClientSettings(
            endpoint=request.endpoint,
            port=request.port,
            proxy=request.proxy,
            root_ca=request.root_ca,
            certificate=request.claim_certificate,
            private_key=request.claim_private_key,
        )

    async def complete(self) -> ConnectionSettings:
        """Do what is left to do."""
        pending = await self._load()
        if pending.thing_name is not None:
            try:
                return await self._connect(pending)
            except ThingRefusedError as err:
                # What has been made inactive or deleted since is of no use any more.
                if not isinstance(err.__cause__, CredentialsError):
                    raise
        async with Provisioning(self._claim, self._request.thing_name) as provisioning:
            pending = await self._enrolled(pending, provisioning)
        return await self._connect(pending)

    async def _load(self) -> PendingEnrolment:
        """Return how far an earlier try of the same request has come, or nothing yet."""
        request = self._request
        asked = PendingEnrolment(
            endpoint=request.endpoint,
            template=request.template,
            parameters=dict(request.parameters),
        )
        kept = await self._store.load()
        return kept if kept is not None and kept.is_for(asked) else asked

    async def _enrolled(
        self, pending: PendingEnrolment, provisioning: Provisioning
    ) -> PendingEnrolment:
        """Have the home be a thing with a certificate."""
        if pending.certificate is None:
            pending = await self._certified(pending, provisioning)
            return await self._registered(pending, provisioning)
        try:
            return await self._registered(pending, provisioning)
        except TokenExpiredError as err:
            _LOGGER.debug("The certificate of an earlier try is gone: %s", err)
        anew = replace(
            pending,
            private_key=None,
            certificate=None,
            certificate_id=None,
            ownership_token=None,
            thing_name=None,
        )
        return await self._enrolled(anew, provisioning)

    async def _certified(
        self, pending: PendingEnrolment, provisioning: Provisioning
    ) -> PendingEnrolment:
        """Have a certificate made: for a key of our own, or else with one of AWS's."""
        if (own_key := pending.private_key) is None:
            own_key = await asyncio.to_thread(make_private_key)
        pending = replace(pending, private_key=own_key)
        await self._store.save(pending)
        csr = await asyncio.to_thread(signing_request, own_key)
        try:
            made = await provisioning.create_certificate_from_csr(csr)
        except (NoAnswerError, ClaimPolicyError, UnexpectedError) as err:
            _LOGGER.debug("AWS IoT is to make the key: %s", err)
            made = await self._certified_by_aws(provisioning, err)
        pending = replace(
            pending,
            private_key=made.private_key or own_key,
            certificate=made.certificate,
            certificate_id=made.certificate_id,
            ownership_token=made.ownership_token,
        )
        await self._store.save(pending)
        return pending

    async def _certified_by_aws(
        self, provisioning: Provisioning, refusal: EnrolmentError
    ) -> NewCertificate:
        """Have AWS make the key, as it has refused to certify one.

        The policy of a thing need not allow that: what it lacks then is what was refused.
        """
        try:
            return await provisioning.create_keys_and_certificate()
        except ClaimPolicyError:
            if self._request.thing_name is None:
                raise
            raise refusal from None

    async def _registered(
        self, pending: PendingEnrolment, provisioning: Provisioning
    ) -> PendingEnrolment:
        """Have the thing made that the certificate is for."""
        assert pending.ownership_token is not None
        try:
            name = await provisioning.register_thing(
                pending.template, pending.ownership_token, pending.parameters
            )
        except HookRefusedError, TokenExpiredError:
            # It may have been made by an earlier request, whose answer was lost.
            found = await self._find(pending)
            if found is None:
                raise
            name = found
        pending = replace(pending, thing_name=name)
        await self._store.save(pending)
        return pending

    async def _find(self, pending: PendingEnrolment) -> str | None:
        """Return the thing's name if the certificate is active. Raises ThingUnknownError."""
        names = filter(THING_NAME.fullmatch, pending.parameters.values())
        try:
            if (known := self._request.thing_name) is not None:
                is_active = await can_connect(self._client(pending), known)
                return known if is_active else None
            return await find_thing(self._client(pending), names)
        except NotFoundError:
            raise ThingUnknownError(pending.certificate_id or "") from None
        except ConnectError as err:
            raise NotConnectedError(err) from err

    async def _connect(self, pending: PendingEnrolment) -> ConnectionSettings:
        """Connect as the thing; try until AWS IoT takes the new certificate."""
        assert pending.thing_name is not None
        client = self._client(pending)
        settings = ConnectionSettings(
            endpoint=client.endpoint,
            port=client.port,
            proxy=client.proxy,
            root_ca=client.root_ca,
            certificate=client.certificate,
            private_key=client.private_key,
            thing_name=pending.thing_name,
        )
        until = time.monotonic() + REFUSED_SECONDS
        delays = backoff(FIRST_BACKOFF_SECONDS)
        while True:
            try:
                await check_connection(settings)
            except AwsIotError as err:
                left = until - time.monotonic()
                if left <= 0:
                    raise _thing_refused(err, pending.thing_name) from err
                _LOGGER.debug("%s cannot connect as yet: %s", pending.thing_name, err)
            else:
                return settings
            await asyncio.sleep(min(next(delays), left))

    def _client(self, pending: PendingEnrolment) -> ClientSettings:
        """Return how to connect with the new certificate."""
        assert pending.certificate is not None
        assert pending.private_key is not None
        return replace(
            self._claim,
            certificate=pending.certificate.encode(),
            private_key=pending.private_key.encode(),
        )


def _thing_refused(error: AwsIotError, thing_name: str) -> ThingRefusedError:
    if isinstance(error, NotAuthorizedError):
        return ThingPolicyError(str(error), thing_name)
    return ThingRefusedError(str(error), thing_name)
