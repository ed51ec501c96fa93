"""A thing gets another certificate, whatever happens meanwhile."""

from collections.abc import AsyncIterator, Callable
import copy
from dataclasses import dataclass
from datetime import timedelta
import json
from pathlib import Path
import shutil
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs import expiry
from custom_components.aws_iot_jobs.aws_iot import (
    connection,
    enrolment,
    provisioning,
    rotation as asking,
)
from custom_components.aws_iot_jobs.aws_iot.model import JobStatus
from custom_components.aws_iot_jobs.const import (
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_ROTATION_TEMPLATE,
    DOMAIN,
)
from custom_components.aws_iot_jobs.credentials import check_fit
from custom_components.aws_iot_jobs.jobs.model import AgentState, JobState
from custom_components.aws_iot_jobs.storage import SecretStore
from homeassistant.const import CONF_PORT
from homeassistant.core import HomeAssistant

from ..broker import Broker
from ..door import Door
from ..fake_jobs_service import FakeJobsService
from ..fake_provisioning_service import (
    CREATE_FROM_CSR,
    ROTATE,
    ROTATION_TEMPLATE,
    Certificate,
    FakeProvisioningService,
    Rejection,
)
from ..jobs.documents import document, home_step
from .conftest import THING
from .repairs import confirm, issues, set_up_repairs

JOB = document(
    home_step("rotateCertificate", input={"template": ROTATION_TEMPLATE}), name="Rotate"
)


@dataclass
class Home:
    """A home, and AWS IoT as it sees it."""

    hass: HomeAssistant
    entry: MockConfigEntry
    service: FakeProvisioningService
    jobs: FakeJobsService
    door: Door

    @property
    def certificate(self) -> str:
        """The certificate that the home has."""
        pem: str = self.entry.data[CONF_CERTIFICATE]
        return pem

    async def start(self) -> None:
        """Set the thing up."""
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)

    async def stop(self) -> None:
        """Unload it."""
        assert await self.hass.config_entries.async_unload(self.entry.entry_id)

    async def until(self, condition: Callable[[AgentState], bool]) -> None:
        """Wait until the state of the agent meets a condition."""
        agent = self.entry.runtime_data.agent
        changed = self.hass.loop.create_future()

        def look(state: AgentState) -> None:
            if condition(state) and not changed.done():
                changed.set_result(None)

        end = agent.subscribe(look)
        look(agent.state)
        await changed
        end()

    async def connected(self) -> None:
        """Wait until it is connected, and by the certificate that it has."""
        await self.until(lambda state: state.connected)
        assert self.door.used == self.certificate

    async def rotate(self) -> JobState:
        """Run the job to its end."""
        ended: JobState = await self.entry.runtime_data.agent.run_document(JOB)
        return ended

    async def secrets(self) -> dict[str, str]:
        """Return the secrets of the thing."""
        return dict(await SecretStore(self.hass, THING).async_load())

    async def assert_has_one(self) -> None:
        """Check that one certificate is active, and that the home is connected with it."""
        await self.connected()
        (active,) = self.service.active
        assert active.pem == self.certificate
        check_fit(self.certificate, (await self.secrets())[CONF_PRIVATE_KEY])


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no more than is needed on loopback."""
    monkeypatch.setattr(provisioning, "ANSWER_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(provisioning, "FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(enrolment, "FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(enrolment, "REFUSED_SECONDS", 5)
    monkeypatch.setattr(asking, "MIN_INTERVAL_SECONDS", 0)
    monkeypatch.setattr(connection, "MIN_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(connection, "MIN_BACKOFF_SECONDS", 0.05)


@pytest.fixture
def rights() -> tuple[str, ...]:
    """Have the optional rights of the thing."""
    return ("Rotation", "RotationReceive", "RotationSubscribe")


@pytest.fixture
async def home(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    storage_on_disk: Path,
    tmp_path: Path,
    rights: tuple[str, ...],
) -> AsyncIterator[Home]:
    """Have a thing that is connected through the door of AWS IoT."""
    async with Broker(tmp_path / "broker", statements=rights) as broker:
        tls_context = broker.service_tls_context()
        async with (
            FakeProvisioningService(
                port=broker.port, tls_context=tls_context, authority=broker.ca
            ) as service,
            FakeJobsService(port=broker.port, tls_context=tls_context) as jobs,
            Door(
                tmp_path / "door",
                broker,
                lambda pem: pem in [one.pem for one in service.active],
            ) as door,
        ):
            service.used = lambda: door.used
            settings = broker.settings(THING)
            service.add(settings.certificate.decode(), THING)
            await SecretStore(hass, THING).async_update(
                {CONF_PRIVATE_KEY: settings.private_key.decode()}
            )
            hass.config_entries.async_update_entry(
                entry,
                data=entry.data
                | {
                    "endpoint": settings.endpoint,
                    CONF_PORT: door.port,
                    CONF_CERTIFICATE: settings.certificate.decode(),
                    "root_ca": broker.ca.certificate.decode(),
                },
            )
            home = Home(hass, entry, service, jobs, door)
            await home.start()
            await home.connected()
            yield home
            await home.stop()


async def test_a_job_gives_a_home_another_certificate(home: Home) -> None:
    """AWS has its result, told over the new connection; the old certificate is of no use."""
    before = home.certificate
    old_key = (await home.secrets())[CONF_PRIVATE_KEY]
    execution = await home.jobs.ended(home.jobs.create_job(JOB))
    assert execution.status == JobStatus.SUCCEEDED
    assert home.certificate != before
    await home.assert_has_one()
    assert home.service.asked == [CREATE_FROM_CSR, ROTATE, ROTATE]
    assert "PRIVATE KEY" not in str(home.service.requests)
    assert old_key not in json.dumps(await home.secrets())
    assert "-----" not in str(execution.status_details)


async def test_it_goes_on_after_a_reload(home: Home) -> None:
    """With the new one, once it is on disk what that is."""
    await home.rotate()
    await home.stop()
    await home.start()
    await home.assert_has_one()


@pytest.mark.parametrize("rights", [(), ("Rotation",)])
async def test_without_the_right_it_is_said_what_is_missing(home: Home) -> None:
    """And the home goes on with what it has."""
    before = home.certificate
    ended = await home.rotate()
    assert ended.status is JobStatus.FAILED
    assert "create-from-csr/json" in ended.reason
    assert "it needs the right Rotation" in ended.reason
    assert home.certificate == before
    await home.assert_has_one()


async def test_a_hook_that_refuses_is_told(home: Home) -> None:
    """As is what the home uses; the next try ends well."""
    home.service.faults.rejections[ROTATE] = [Rejection("AccessDenied", "No", 403)]
    ended = await home.rotate()
    assert ended.status is JobStatus.FAILED
    assert f"the hook of the template {ROTATION_TEMPLATE} has refused" in ended.reason
    assert "goes on with the certificate that it has" in ended.reason
    await home.assert_has_one()
    assert (await home.rotate()).status is JobStatus.SUCCEEDED
    await home.assert_has_one()


async def test_an_old_certificate_that_stays_active_is_told(home: Home) -> None:
    """The next try has it deactivated, and needs no third one."""
    refusals = home.service.faults.rejections

    def refuse_the_second(topic: str) -> None:
        if home.service.asked.count(ROTATE) == 1:
            refusals[ROTATE] = [Rejection("AccessDenied", "No", 403)]

    home.service.on_effect = refuse_the_second
    ended = await home.rotate()
    home.service.on_effect = lambda _: None
    assert ended.status is JobStatus.FAILED
    assert "the one before it is still active" in ended.reason
    assert len(home.service.active) == 2
    await home.connected()
    assert (await home.rotate()).status is JobStatus.SUCCEEDED
    await home.assert_has_one()
    assert len(home.service.certificates) == 2


async def test_a_step_without_a_template_says_so(home: Home) -> None:
    """Where nothing tells which."""
    ended = await home.entry.runtime_data.agent.run_document(
        document(home_step("rotateCertificate"))
    )
    assert ended.status is JobStatus.FAILED
    assert "names no template" in ended.reason


@dataclass(frozen=True)
class Image:
    """All that is left when a home is killed, and what AWS has of it then.

    `certificate` is the one that its entry has, which may be saved by then or not.
    """

    deed: str
    folder: Path
    certificate: str
    certificates: list[Certificate]


async def test_killed_at_each_write_and_answer(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects with exactly one of the two, and its job ends well, wherever it was."""
    before = home.certificate
    images = await _images(home, tmp_path, monkeypatch)
    # The key, its certificate, that it is registered, that it is tried, and the end of it.
    assert [image.deed for image in images] == [
        *("written", CREATE_FROM_CSR, "written", ROTATE, "written"),
        *("written", ROTATE, "written"),
    ]
    later = [image.certificate for image in images[1:]] + [home.certificate]
    await home.stop()
    for image, certificate in zip(images, later, strict=True):
        for saved in dict.fromkeys((before, certificate)):
            await _restore(home, image, saved)
            await home.start()
            await home.until(lambda state: state.last_job is not None)
            ended = home.entry.runtime_data.agent.state.last_job
            assert ended.status is JobStatus.SUCCEEDED
            await home.assert_has_one()
            await home.stop()
    await home.start()


async def test_of_two_the_new_one_is_tried_first(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any job: the old one may have expired since."""
    before = home.certificate
    images = await _images(home, tmp_path, monkeypatch)
    (registered, *_) = [image for image in images if image.deed == ROTATE]
    await home.stop()
    for old in ("ACTIVE", "INACTIVE"):
        await _restore(home, registered, before)
        shutil.rmtree(home.hass.config.path("aws_iot_jobs", "things"))
        home.service.certificates[0].status = old
        await home.start()
        await home.connected()
        assert home.certificate == home.service.certificates[1].pem
        await home.stop()
    await home.start()


async def test_the_old_one_is_used_where_the_new_one_is_of_no_use(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not been registered, and AWS IoT has deleted it since; the next try has another."""
    before = home.certificate
    images = await _images(home, tmp_path, monkeypatch)
    (unregistered, *_) = [image for image in images if image.deed == ROTATE]
    await home.stop()
    await _restore(home, unregistered, before)
    shutil.rmtree(home.hass.config.path("aws_iot_jobs", "things"))
    home.service.certificates[1].status = "PENDING_ACTIVATION"
    home.service.forget_tokens()
    await home.start()
    await home.assert_has_one()
    assert home.certificate == before
    assert (await home.rotate()).status is JobStatus.SUCCEEDED
    await home.assert_has_one()
    assert home.certificate != before


async def test_a_repair_offers_it_by_a_click(
    home: Home,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a certificate near its end, where the template is known; what fails is told."""
    await set_up_repairs(home.hass)
    monkeypatch.setattr(expiry, "WARN_BEFORE", timedelta(days=400))
    home.hass.config_entries.async_update_entry(
        home.entry,
        data={**home.entry.data, CONF_ROTATION_TEMPLATE: ROTATION_TEMPLATE},
    )
    await home.stop()
    await home.start()
    await home.connected()
    (issue,) = issues(home.hass)
    client = await hass_client()
    path = "/api/repairs/issues/fix"
    wanted = {"handler": DOMAIN, "issue_id": issue.issue_id}
    menu = await (await client.post(path, json=wanted)).json()
    assert menu["menu_options"] == ["rotate", "confirm"]
    way = {"next_step_id": "rotate"}
    form = await (await client.post(f"{path}/{menu['flow_id']}", json=way)).json()

    home.service.faults.rejections[ROTATE] = [Rejection("AccessDenied", "No", 403)]
    form = await confirm(client, form)
    assert form["errors"] == {"base": "not_rotated"}
    assert "has refused" in form["description_placeholders"]["reason"]
    assert (await confirm(client, form))["type"] == "create_entry"
    await home.assert_has_one()
    assert not issues(home.hass)


async def _images(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Image]:
    """Rotate, and return what there was on disk after each write, and at each answer."""
    images: list[Image] = []

    def take(deed: str) -> None:
        folder = tmp_path / f"image-{len(images)}"
        for name in (".storage", "aws_iot_jobs"):
            shutil.copytree(home.hass.config.path(name), folder / name)
        certificates = copy.deepcopy(home.service.certificates)
        images.append(Image(deed, folder, home.certificate, certificates))

    update = SecretStore.async_update

    async def update_and_take(self: SecretStore, secrets: Any) -> None:
        await update(self, secrets)
        take("written")

    home.service.on_effect = take
    with monkeypatch.context() as patched:
        patched.setattr(SecretStore, "async_update", update_and_take)
        assert (await home.rotate()).status is JobStatus.SUCCEEDED
    home.service.on_effect = lambda _: None
    return images


async def _restore(home: Home, image: Image, certificate: str) -> None:
    """Have on disk, and at AWS, what there was; the entry may have been saved or not."""
    for name in (".storage", "aws_iot_jobs"):
        shutil.rmtree(home.hass.config.path(name))
        shutil.copytree(image.folder / name, home.hass.config.path(name))
    home.service.certificates = copy.deepcopy(image.certificates)
    home.hass.config_entries.async_update_entry(
        home.entry, data={**home.entry.data, CONF_CERTIFICATE: certificate}
    )


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.thorough), 12])
async def test_the_network_is_cut_before_a_message(home: Home, every: int) -> None:
    """It is connected afterwards with one of the two, and the next try ends well."""
    before = home.door.passed
    assert (await home.rotate()).status is JobStatus.SUCCEEDED
    await home.connected()
    messages = home.door.passed - before
    for number in range(1, messages + 1, every):
        home.door.cut_before = home.door.passed + number
        await home.rotate()
        await home.connected()
        home.door.cut_before = None
        if len(home.service.active) > 1:
            assert (await home.rotate()).status is JobStatus.SUCCEEDED
        await home.assert_has_one()
