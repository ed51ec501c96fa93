"""Rotation: a thing gets another certificate, by the one that it has.

It is the enrolment of a thing that is there already. The template's hook lets nobody ask but
the thing itself, and has all its certificates deactivated but two: the one that it is
connected with, and the one that it asks for. So the old one goes when the thing asks once
more, connected with the new one.
"""

import asyncio
from typing import Final

from .connection import MIN_INTERVAL_SECONDS, ConnectionSettings
from .enrolment import EnrolmentRequest, EnrolmentStore, enrol
from .pending_enrolment import PendingEnrolment
from .provisioning import Provisioning

THING_NAME: Final = "ThingName"
"""The parameter of the template that names the thing."""


async def renew(
    settings: ConnectionSettings, template: str, store: EnrolmentStore
) -> ConnectionSettings:
    """Get another certificate, and return what a thing connects with; that is tried.

    Nobody else may be connected with the thing's name. The certificate that it has stays
    active. Raises the EnrolmentError that tells what is in the way, and OSError of the store.
    """
    request = EnrolmentRequest(
        endpoint=settings.endpoint,
        port=settings.port,
        root_ca=settings.root_ca,
        template=template,
        claim_certificate=settings.certificate,
        claim_private_key=settings.private_key,
        parameters={THING_NAME: settings.thing_name},
        thing_name=settings.thing_name,
        proxy=settings.proxy,
    )
    await _let_pass_an_interval()
    return await enrol(request, store)


async def retire_others(
    settings: ConnectionSettings, renewed: PendingEnrolment
) -> None:
    """Have the others of a thing deactivated, connected with its new certificate.

    Raises the EnrolmentError that tells what is in the way.
    """
    assert renewed.ownership_token is not None
    await _let_pass_an_interval()
    async with Provisioning(settings, settings.thing_name) as provisioning:
        await provisioning.register_thing(
            renewed.template, renewed.ownership_token, renewed.parameters
        )


async def _let_pass_an_interval() -> None:
    """Wait until AWS IoT takes another CONNECT of the same name."""
    await asyncio.sleep(MIN_INTERVAL_SECONDS)
