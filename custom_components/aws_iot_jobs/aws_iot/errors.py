"""What can go wrong between a thing and AWS IoT."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import ExecutionState


class AwsIotError(Exception):
    """Anything that went wrong here. Its message is for people."""


class ConnectError(AwsIotError):
    """There is no connection to AWS IoT."""


class EndpointError(ConnectError):
    """The endpoint's name is unknown, or nothing answers there."""


class UnknownHostError(EndpointError):
    """There is no address for the endpoint's name."""


class NoTlsError(EndpointError):
    """What answers at the port does not speak TLS."""


class ServerCertificateError(ConnectError):
    """What answers at the endpoint does not prove to be it."""


class ServerNameError(ServerCertificateError):
    """The server's certificate is for other names than the endpoint's."""


class ServerValidityError(ServerCertificateError):
    """The server's certificate has expired or is not valid yet, by the clock here."""


class ClockError(ServerValidityError):
    """The clock here is wrong: it is before the beginning of the server's certificate."""


class ProxyError(ConnectError):
    """The proxy is in the way: this is no fault of the endpoint."""


class UnknownProxyError(ProxyError):
    """There is no address for the proxy's name."""


class ProxyUnreachableError(ProxyError):
    """Nothing answers there as a proxy does."""


class ProxyLoginError(ProxyError):
    """The proxy wants a user and a password, or others."""


class ProxyRefusalError(ProxyError):
    """The proxy opens no connection to the endpoint at this port."""


class ProxyTlsError(ProxyError, ServerCertificateError):
    """What answers behind the proxy is not AWS IoT: most likely the proxy opens TLS."""


class BeyondProxyError(EndpointError):
    """The proxy says that it cannot reach the endpoint."""


class CredentialsError(ConnectError):
    """AWS IoT refuses the certificate, or the key does not belong to it."""


class NotAuthorizedError(ConnectError):
    """The policy of the certificate does not allow something that is needed."""

    def __init__(self, action: str, resources: Iterable[str]) -> None:
        """Name the action of the policy, and the resources that it is needed for."""
        self.action = action
        self.resources = tuple(resources)
        super().__init__(
            f"the policy does not allow {action} on {', '.join(self.resources)}"
        )


class DisconnectedError(ConnectError):
    """The connection was lost, or is not there yet."""


class TakenOverError(DisconnectedError):
    """Another client connects with the same thing name, again and again."""

    def __init__(self, thing_name: str) -> None:
        """Name the thing."""
        super().__init__(
            f"connections end soon after they are made: most likely another client "
            f"connects as {thing_name}, too"
        )


class RequestTimeoutError(AwsIotError):
    """AWS IoT did not answer a request in time."""


class RequestRejectedError(AwsIotError):
    """AWS IoT Jobs answered a request with an error.

    `code` is one of those of the ErrorResponse of the AWS IoT Jobs device MQTT API;
    `state` is the execution's real state where AWS tells it.
    """

    def __init__(self, code: str, message: str, state: ExecutionState | None) -> None:
        """Keep what AWS told."""
        self.code = code
        self.state = state
        super().__init__(f"{code}: {message}" if message else code)


class MalformedMessageError(AwsIotError):
    """A message does not have the shape that AWS documents."""
