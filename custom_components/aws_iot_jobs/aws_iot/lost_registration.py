"""Finding out what became of a registration whose answer was lost."""

from collections.abc import Iterable
import logging

from .connect import connect, new_client_id
from .connection import ClientSettings
from .errors import CredentialsError, NotAuthorizedError

_LOGGER = logging.getLogger(__name__)


class NotFoundError(Exception):
    """The certificate is active, but none of the names is its thing's."""


async def find_thing(settings: ClientSettings, names: Iterable[str]) -> str | None:
    """Return the one of some names that is the thing of a certificate, by connecting.

    Returns None where the certificate is not active: it was not registered. Raises
    NotFoundError where it is, and ConnectError.
    """
    try:
        connection = await connect(settings, new_client_id())
    except CredentialsError as err:
        _LOGGER.debug("The certificate is not active: %s", err)
        return None
    except NotAuthorizedError:
        _LOGGER.debug("The certificate is active, for its thing alone")
    else:
        # Whoever may connect with any name proves nothing with one.
        await connection.close()
        raise NotFoundError
    for name in names:
        try:
            connection = await connect(settings, name)
        except NotAuthorizedError:
            continue
        await connection.close()
        return name
    raise NotFoundError


async def can_connect(settings: ClientSettings, thing_name: str) -> bool:
    """Tell whether a certificate is active, by connecting as its thing. Raises ConnectError."""
    try:
        connection = await connect(settings, thing_name)
    except CredentialsError as err:
        _LOGGER.debug("The certificate is not active: %s", err)
        return False
    await connection.close()
    return True
