"""Giving a thing another certificate, so that one of the two works whenever this ends.

How far it has come is kept with the thing's secrets: its new private key before AWS IoT is
asked for anything, its certificate before that can be active. What the thing connects with
changes in one write, once the new one has been tried; only then is AWS IoT asked to deactivate
the old one. It goes on at any point where it has ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
import hashlib
import json
import logging
from typing import Any, Self

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .aws_iot.check import check_connection
from .aws_iot.connection import ConnectionSettings
from .aws_iot.enrolment_errors import (
    ClaimPolicyError,
    ClaimRefusedError,
    EnrolmentError,
    HookRefusedError,
    TemplateUnusableError,
    ThingRefusedError,
    TokenExpiredError,
)
from .aws_iot.errors import AwsIotError
from .aws_iot.pending_enrolment import PendingEnrolment
from .aws_iot.rotation import renew, retire_others
from .const import (
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_ROTATION,
    CONF_ROTATION_TEMPLATE,
    CONF_THING_NAME,
)
from .coordinator import AwsIotJobsConfigEntry
from .credentials import expiry_of
from .enrolment_store import SAVED_AFTER
from .issues import Issue, ThingIssues
from .settings import ThingSettings
from .storage import SecretStore

_LOGGER = logging.getLogger(__name__)


class RotationError(Exception):
    """A thing has no other certificate, or still another one. Its message is for people."""


class Stage(StrEnum):
    """How far a rotation has come."""

    BEGUN = "begun"
    """The thing uses its old certificate."""
    PROVEN = "proven"
    """The thing uses the new one."""
    ENDED = "ended"
    """The old one is deactivated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A rotation that is under way: what it replaces, and what by."""

    replaces: str
    renewed: PendingEnrolment
    stage: Stage = Stage.BEGUN

    def is_of(self, certificate: str) -> bool:
        """Tell whether it is of the thing that has a certificate, and not of an earlier one."""
        return certificate in (self.replaces, self.renewed.certificate)

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> Self | None:
        """Return the rotation among the secrets of a thing; one that is damaged is none."""
        try:
            kept = json.loads(secrets[CONF_ROTATION])
            return cls(
                replaces=kept["replaces"],
                renewed=PendingEnrolment.from_json(kept["renewed"]),
                stage=Stage(kept["stage"]),
            )
        except KeyError, TypeError, ValueError:
            return None

    def as_secrets(self) -> dict[str, str]:
        """Return what is to be kept among the secrets: once it is proven, all that is used."""
        kept = {
            "replaces": self.replaces,
            "renewed": self.renewed.as_json(),
            "stage": self.stage,
        }
        secrets = {CONF_ROTATION: json.dumps(kept)}
        if self.stage is not Stage.BEGUN:
            assert self.renewed.private_key is not None
            secrets[CONF_PRIVATE_KEY] = self.renewed.private_key
        return secrets


def fingerprint(certificate: str) -> str:
    """Return what tells one certificate from another."""
    return hashlib.sha256(certificate.encode()).hexdigest()


async def async_rotate(
    hass: HomeAssistant,
    entry: AwsIotJobsConfigEntry,
    template: str,
    *,
    replaces: str,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Have a thing use another certificate than the one of a fingerprint, and no other.

    Goes on with what there is of an earlier try. The agent connects with the new certificate
    afterwards; its job goes on. `tell` is told of what is done. Raises RotationError.
    """
    coordinator = entry.runtime_data
    async with coordinator.rotating, coordinator.disconnected():
        await _Rotating(hass, entry, template, tell).complete(replaces)


@callback
def async_recall(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, secrets: Mapping[str, str]
) -> None:
    """Have a thing that is being set up use what the last write has decided."""
    rotation = Rotation.of(secrets)
    if rotation is None or not rotation.is_of(entry.data[CONF_CERTIFICATE]):
        return
    if rotation.stage is not Stage.BEGUN:
        # Home Assistant may have ended before it has saved the entry.
        _use(hass, entry, rotation)
        _forget_when_saved(hass, entry)


async def async_try_first(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
    """Have a thing with two certificates use the new one, if it can connect with that.

    Its agent must not have begun to connect. It uses the old one otherwise.
    """
    store = _RotationStore(hass, entry)
    rotation = await store.async_load()
    if (
        rotation is None
        or rotation.stage is not Stage.BEGUN
        or rotation.renewed.certificate is None
    ):
        return
    settings = await async_connection_settings(hass, entry, rotation)
    try:
        await check_connection(settings)
        await _async_adopt(hass, entry, rotation)
    except (AwsIotError, OSError) as err:
        _LOGGER.debug("%s uses its old certificate: %s", settings.thing_name, err)


class _RotationStore:
    """Keeps how far a rotation has come: what `enrol` keeps, too."""

    def __init__(self, hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
        """Keep it with the secrets of a thing."""
        self._hass = hass
        self._entry = entry
        self._secrets = SecretStore(hass, entry.data[CONF_THING_NAME])

    async def async_load(self) -> Rotation | None:
        """Return the rotation of the certificate that the thing has."""
        rotation = Rotation.of(await self._secrets.async_load())
        if rotation is None or not rotation.is_of(self._entry.data[CONF_CERTIFICATE]):
            return None
        return rotation

    async def async_save(self, rotation: Rotation) -> None:
        """Keep this instead, and return when it is on disk. Raises OSError."""
        secrets = rotation.as_secrets()
        await self._secrets.async_update(secrets)
        # A failure is only logged, and what Home Assistant saves when it ends is not there yet.
        thing_name = self._entry.data[CONF_THING_NAME]
        kept = await SecretStore(self._hass, thing_name).async_load()
        if not secrets.items() <= kept.items():
            raise OSError("the new certificate cannot be saved")

    async def load(self) -> PendingEnrolment | None:
        """Return what is kept of a new certificate that is not in use."""
        rotation = await self.async_load()
        if rotation is None or rotation.stage is not Stage.BEGUN:
            return None
        return rotation.renewed

    async def save(self, pending: PendingEnrolment) -> None:
        """Keep this instead."""
        replaces = self._entry.data[CONF_CERTIFICATE]
        await self.async_save(Rotation(replaces=replaces, renewed=pending))


class _Rotating:
    """One try to rotate, while nobody is connected with the thing's name."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: AwsIotJobsConfigEntry,
        template: str,
        tell: Callable[[str], None],
    ) -> None:
        self._hass = hass
        self._entry = entry
        self._template = template
        self._tell = tell
        self._store = _RotationStore(hass, entry)

    async def complete(self, replaces: str) -> None:
        """Do what is left to do. Raises RotationError."""
        thing_name = self._entry.data[CONF_THING_NAME]
        rotation = await self._store.async_load()
        if rotation is not None and rotation.stage is Stage.PROVEN:
            # The try before may have ended right after that was on record.
            await _async_connect_with(self._hass, self._entry, rotation)
            try:
                return await self._retire(rotation)
            except TokenExpiredError as err:
                _LOGGER.debug("The next certificate of %s: %s", thing_name, err)
            except EnrolmentError as err:
                raise _still_two(err, thing_name, rotation.renewed.template) from err
        elif fingerprint(self._entry.data[CONF_CERTIFICATE]) != replaces:
            # An earlier try has done it.
            return None
        try:
            rotation = await self._renew()
        except EnrolmentError as err:
            raise RotationError(
                f"{_words(err, thing_name, self._template)}; "
                f"{thing_name} goes on with the certificate that it has"
            ) from err
        except OSError as err:
            raise RotationError(err.strerror or str(err)) from err
        try:
            return await self._retire(rotation)
        except EnrolmentError as err:
            raise _still_two(err, thing_name, self._template) from err

    async def _renew(self) -> Rotation:
        """Have the thing use a new certificate. Raises EnrolmentError, OSError."""
        settings = await async_connection_settings(self._hass, self._entry)
        await renew(settings, self._template, self._store)
        rotation = await self._store.async_load()
        assert rotation is not None
        self._tell(f"{settings.thing_name} can connect with its new certificate")
        rotation = await _async_adopt(self._hass, self._entry, rotation)
        expires = expiry_of(self._entry.data[CONF_CERTIFICATE])
        self._tell(f"It is in use, and expires on {expires:%Y-%m-%d}")
        return rotation

    async def _retire(self, rotation: Rotation) -> None:
        """Have the old certificate deactivated. Raises EnrolmentError."""
        settings = await async_connection_settings(self._hass, self._entry, rotation)
        await retire_others(settings, rotation.renewed)
        self._tell("The certificate before it is deactivated")
        try:
            await self._store.async_save(replace(rotation, stage=Stage.ENDED))
        except OSError as err:
            raise RotationError(err.strerror or str(err)) from err
        _forget_when_saved(self._hass, self._entry)


async def async_connection_settings(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, rotation: Rotation | None = None
) -> ConnectionSettings:
    """Return what a thing connects with: by its new certificate where there is a rotation."""
    secrets = await SecretStore(hass, entry.data[CONF_THING_NAME]).async_load()
    known = {**entry.data, **secrets}
    if rotation is not None:
        known[CONF_CERTIFICATE] = rotation.renewed.certificate
        known[CONF_PRIVATE_KEY] = rotation.renewed.private_key
    return ThingSettings.of(known).connection()


async def _async_adopt(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, rotation: Rotation
) -> Rotation:
    """Have a thing use its new certificate from now on. Raises OSError."""
    rotation = replace(rotation, stage=Stage.PROVEN)
    await _RotationStore(hass, entry).async_save(rotation)
    await _async_connect_with(hass, entry, rotation)
    return rotation


async def _async_connect_with(
    hass: HomeAssistant, entry: AwsIotJobsConfigEntry, rotation: Rotation
) -> None:
    """Have a thing and its agent use a new certificate that is proven."""
    settings = await async_connection_settings(hass, entry, rotation)
    _use(hass, entry, rotation)
    coordinator = entry.runtime_data
    coordinator.agent.use(settings)
    ThingIssues(hass, entry).async_clear(Issue.CERTIFICATE)
    coordinator.async_update_listeners()


def _use(hass: HomeAssistant, entry: AwsIotJobsConfigEntry, rotation: Rotation) -> None:
    """Have the entry tell of the new certificate. It is saved a while after."""
    changed: dict[str, Any] = {
        CONF_CERTIFICATE: rotation.renewed.certificate,
        CONF_ROTATION_TEMPLATE: rotation.renewed.template,
    }
    hass.config_entries.async_update_entry(entry, data={**entry.data, **changed})


def _forget_when_saved(hass: HomeAssistant, entry: AwsIotJobsConfigEntry) -> None:
    """Forget a rotation that has ended, when the entry is on disk for sure."""

    async def forget(_: datetime) -> None:
        secrets = SecretStore(hass, entry.data[CONF_THING_NAME])
        rotation = Rotation.of(await secrets.async_load())
        if rotation is not None and rotation.stage is Stage.ENDED:
            await secrets.async_update({CONF_ROTATION: ""})

    entry.async_on_unload(async_call_later(hass, SAVED_AFTER, forget))


def _still_two(err: EnrolmentError, thing_name: str, template: str) -> RotationError:
    return RotationError(
        f"{thing_name} uses its new certificate, but the one before it is still active: "
        f"{_words(err, thing_name, template)}"
    )


def _words(err: EnrolmentError, thing_name: str, template: str) -> str:
    """Say what was in the way."""
    text = str(err).rstrip(".")
    match err:
        case ClaimPolicyError():
            return (
                f"the policy of {thing_name} does not allow {err.action} on "
                f"{err.resource}: it needs the right Rotation"
            )
        case ClaimRefusedError():
            return f"AWS IoT does not accept the certificate of {thing_name}: {text}"
        case ThingRefusedError():
            return f"AWS IoT does not accept the new certificate: {text}"
        case HookRefusedError():
            return (
                f"the hook of the template {template} has refused {thing_name}: {text}"
            )
        case TemplateUnusableError():
            return f"the template {template} cannot be used: {text}"
    return text
