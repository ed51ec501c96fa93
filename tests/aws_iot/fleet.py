"""A local AWS that takes homes into a fleet, and a home that is to be enrolled there."""

from dataclasses import dataclass
import json

import pytest

from custom_components.aws_iot_jobs.aws_iot.connection import ConnectionSettings
from custom_components.aws_iot_jobs.aws_iot.enrolment import EnrolmentRequest, enrol
from custom_components.aws_iot_jobs.aws_iot.enrolment_errors import EnrolmentError
from custom_components.aws_iot_jobs.aws_iot.pending_enrolment import PendingEnrolment

from ..broker import HOST, Broker
from ..fake_jobs_service import FakeJobsService
from ..fake_provisioning_service import SERIAL_NUMBER, TEMPLATE, FakeProvisioningService
from .link import Link

THING = "thing-1"


class Store:
    """What is kept of an enrolment: as JSON, so that it is as it would be on disk."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.saved: list[str] = []

    async def load(self) -> PendingEnrolment | None:
        """Return what was kept last."""
        if not self.saved:
            return None
        return PendingEnrolment.from_json(json.loads(self.saved[-1]))

    async def save(self, pending: PendingEnrolment) -> None:
        """Keep this, too."""
        self.saved.append(json.dumps(pending.as_json()))


@dataclass
class Fleet:
    """AWS IoT's parts with the network before them, and a home."""

    broker: Broker
    provisioning: FakeProvisioningService
    jobs: FakeJobsService
    link: Link

    def __post_init__(self) -> None:
        """Ask for what the template needs."""
        self.store = Store()
        self.request = EnrolmentRequest(
            endpoint=HOST,
            port=self.link.port,
            root_ca=self.broker.ca.certificate,
            claim_certificate=self.broker.claim.certificate,
            claim_private_key=self.broker.claim.private_key,
            template=TEMPLATE,
            parameters={SERIAL_NUMBER: THING},
        )

    async def enrol(self) -> ConnectionSettings:
        """Enrol the home; nothing is left of the claim's connection afterwards."""
        try:
            return await enrol(self.request, self.store)
        finally:
            await self.link.idle(5)

    async def refused(self) -> EnrolmentError:
        """Try to enrol the home, and return why that did not work."""
        with pytest.raises(EnrolmentError) as refused:
            await self.enrol()
        return refused.value
