"""A connection for a few requests, of a client that need not be a thing."""

import asyncio
from dataclasses import replace
import uuid

from . import authorities
from .check import better_known, look
from .connection import ClientSettings, timing
from .errors import CredentialsError, EndpointError, ServerCertificateError
from .mqtt import MqttConnection


def new_client_id() -> str:
    """Return a client id that no other client has, of those that a claim may use."""
    return f"claim-{uuid.uuid4()}"


async def connect(settings: ClientSettings, client_id: str) -> MqttConnection:
    """Look at the endpoint, and connect: what is returned is to be closed in the end.

    Raises the ConnectError that tells what is in the way.
    """
    loop = asyncio.get_running_loop()

    def make() -> MqttConnection:
        trusted = settings.root_ca or authorities.public()
        return MqttConnection(
            replace(settings, root_ca=trusted), client_id, timing(), _ignore, loop
        )

    doubt = await look(settings)
    connection = await loop.run_in_executor(None, make)
    try:
        await connection.open()
    except (CredentialsError, EndpointError, ServerCertificateError) as err:
        await connection.close()
        raise better_known(err, doubt, settings) from err
    except BaseException:
        await connection.close()
        raise
    return connection


def _ignore(_topic: str, _payload: bytes) -> None:
    """Leave what comes to the library's clients."""
