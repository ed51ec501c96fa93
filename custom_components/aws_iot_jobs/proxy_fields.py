"""What is entered of an HTTP proxy, and what is kept of it.

Its password is kept with the thing's secrets, the rest in the config entry.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from .aws_iot.proxy import Proxy
from .const import (
    CONF_PROXY_HOST,
    CONF_PROXY_PASSWORD,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
)
from .errors import InvalidInputError

DEFAULT_PROXY_PORT: Final = 3128
"""What is meant where none is entered: that of squid, which many others have, too."""
PROXY_FIELDS: Final = (
    CONF_PROXY_HOST,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
    CONF_PROXY_PASSWORD,
)


def proxy_of(values: Mapping[str, Any]) -> Proxy | None:
    """Return the proxy among other values: a form's, or those of an entry and its secrets."""
    if not (host := values.get(CONF_PROXY_HOST)):
        return None
    user = values.get(CONF_PROXY_USER) or ""
    return Proxy(
        host=host,
        port=values.get(CONF_PROXY_PORT) or DEFAULT_PROXY_PORT,
        user=user,
        password=(values.get(CONF_PROXY_PASSWORD) or "") if user else "",
    )


def proxy_data(proxy: Proxy | None) -> dict[str, Any]:
    """Return what of a proxy belongs in a config entry: everything but the password."""
    if proxy is None:
        return {}
    data = {CONF_PROXY_HOST: proxy.host, CONF_PROXY_PORT: proxy.port}
    return data | {CONF_PROXY_USER: proxy.user} if proxy.user else data


def known_beside(
    entered: Mapping[str, Any], known: Mapping[str, Any], fields: Collection[str]
) -> dict[str, Any]:
    """Return what is known, without the proxy that a form with these fields is about.

    A field that was emptied is not sent. The password is not shown, and stays as it is where
    none is entered: for the same user of the same proxy, and nobody else.
    """
    if CONF_PROXY_HOST not in fields:
        return dict(known)
    left = {field: known[field] for field in known if field not in PROXY_FIELDS}
    before = proxy_data(proxy_of(known))
    if before and before == proxy_data(proxy_of(entered)):
        left[CONF_PROXY_PASSWORD] = known.get(CONF_PROXY_PASSWORD, "")
    return left


def read_proxy_user(text: str) -> str:
    """Return the name of a user of a proxy. Raises InvalidInputError."""
    user = text.strip()
    # Basic authentication separates it from the password by a colon.
    if ":" in user or not user.isprintable():
        raise InvalidInputError({CONF_PROXY_USER: "invalid_proxy_user"})
    return user
