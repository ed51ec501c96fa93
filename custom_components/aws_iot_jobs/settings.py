"""The settings of a thing: what its config entry and its private key come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from homeassistant.const import CONF_PORT

from .aws_iot.connection import ConnectionSettings
from .aws_iot.proxy import Proxy
from .const import (
    CONF_CERTIFICATE,
    CONF_ENDPOINT,
    CONF_PRIVATE_KEY,
    CONF_PROXY_PASSWORD,
    CONF_ROOT_CA,
    CONF_ROTATION_TEMPLATE,
    CONF_THING_NAME,
)
from .proxy_fields import proxy_data, proxy_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingSettings:
    """Where a thing connects to, and how it proves who it is. Files are PEM.

    Without a `root_ca`, the public authorities that Home Assistant ships are trusted; without a
    `proxy`, the thing connects directly. The `rotation_template` is what another certificate
    is asked for by, where one is known.
    """

    endpoint: str
    port: int
    thing_name: str
    certificate: str = field(repr=False)
    private_key: str = field(repr=False)
    root_ca: str | None = field(default=None, repr=False)
    rotation_template: str = ""
    proxy: Proxy | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings among other values: a form's, or those of an entry."""
        return cls(
            endpoint=values[CONF_ENDPOINT],
            port=values[CONF_PORT],
            thing_name=values[CONF_THING_NAME],
            certificate=values[CONF_CERTIFICATE],
            private_key=values[CONF_PRIVATE_KEY],
            root_ca=values.get(CONF_ROOT_CA),
            rotation_template=values.get(CONF_ROTATION_TEMPLATE, ""),
            proxy=proxy_of(values),
        )

    def as_entry_data(self) -> dict[str, Any]:
        """Return what belongs in a config entry: everything but the secrets."""
        data: dict[str, Any] = {
            CONF_ENDPOINT: self.endpoint,
            CONF_PORT: self.port,
            CONF_THING_NAME: self.thing_name,
            CONF_CERTIFICATE: self.certificate,
            **proxy_data(self.proxy),
        }
        if self.root_ca is not None:
            data[CONF_ROOT_CA] = self.root_ca
        if self.rotation_template:
            data[CONF_ROTATION_TEMPLATE] = self.rotation_template
        return data

    def secrets(self) -> dict[str, str]:
        """Return what is kept apart from the config entry."""
        password = "" if self.proxy is None else self.proxy.password
        return {CONF_PRIVATE_KEY: self.private_key, CONF_PROXY_PASSWORD: password}

    def connection(self) -> ConnectionSettings:
        """Return what the Jobs agent connects with."""
        return ConnectionSettings(
            endpoint=self.endpoint,
            port=self.port,
            thing_name=self.thing_name,
            certificate=self.certificate.encode(),
            private_key=self.private_key.encode(),
            root_ca=None if self.root_ca is None else self.root_ca.encode(),
            proxy=self.proxy,
        )
