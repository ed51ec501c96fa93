"""What can go wrong when a home is enrolled with a claim.

Each error knows the field of a dialog that it belongs to, and a key for its translation.
Its message is AWS's own where AWS has said something.
"""

from enum import StrEnum
from typing import ClassVar

from .errors import AwsIotError, ConnectError


class EnrolmentField(StrEnum):
    """What of a request an error is about; `BASE` is for nothing in particular."""

    CLAIM_CERTIFICATE = "claim_certificate"
    TEMPLATE = "template"
    PARAMETERS = "parameters"
    ENDPOINT = "endpoint"
    BASE = "base"


class EnrolmentProblem(StrEnum):
    """The kinds of errors, to be used as translation keys."""

    NOT_CONNECTED = "enrolment_not_connected"
    CLAIM_REFUSED = "enrolment_claim_refused"
    CLAIM_POLICY = "enrolment_claim_policy"
    TEMPLATE_POLICY = "enrolment_template_policy"
    TEMPLATE_UNUSABLE = "enrolment_template_unusable"
    HOOK_REFUSED = "enrolment_hook_refused"
    HOOK_FAILED = "enrolment_hook_failed"
    PARAMETER_MISSING = "enrolment_parameter_missing"
    PARAMETERS_INVALID = "enrolment_parameters_invalid"
    TOKEN_EXPIRED = "enrolment_token_expired"
    LIMITED = "enrolment_limited"
    NO_ANSWER = "enrolment_no_answer"
    THING_UNKNOWN = "enrolment_thing_unknown"
    THING_REFUSED = "enrolment_thing_refused"
    THING_POLICY = "enrolment_thing_policy"
    UNEXPECTED = "enrolment_unexpected"


class EnrolmentError(AwsIotError):
    """A home could not be enrolled. `str()` has AWS's own words where there are any.

    `placeholders` are what a translation needs to be told beside them.
    """

    field: ClassVar[EnrolmentField] = EnrolmentField.BASE
    key: ClassVar[EnrolmentProblem] = EnrolmentProblem.UNEXPECTED

    @property
    def placeholders(self) -> dict[str, str]:
        """What translations may have in them, by name."""
        return {"error": str(self)}


class NotConnectedError(EnrolmentError):
    """There is no connection to AWS IoT, for the reason that `error` tells.

    The reason is one of those that `check_connection` has, too: the endpoint does not
    answer, is not trusted, or the clock is wrong.
    """

    field = EnrolmentField.ENDPOINT
    key = EnrolmentProblem.NOT_CONNECTED

    def __init__(self, error: ConnectError) -> None:
        """Keep the reason."""
        self.error = error
        super().__init__(str(error))


class ClaimRefusedError(EnrolmentError):
    """AWS IoT does not take the claim certificate: it is unknown, inactive or expired."""

    field = EnrolmentField.CLAIM_CERTIFICATE
    key = EnrolmentProblem.CLAIM_REFUSED


class ClaimPolicyError(EnrolmentError):
    """The policy of the claim does not allow something that every enrolment needs."""

    field = EnrolmentField.CLAIM_CERTIFICATE
    key = EnrolmentProblem.CLAIM_POLICY

    def __init__(self, action: str, resource: str) -> None:
        """Name the action of the policy, and the topic or client that it is needed for."""
        self.action = action
        self.resource = resource
        super().__init__(
            f"the policy of the claim does not allow {action} on {resource}"
        )

    @property
    def placeholders(self) -> dict[str, str]:
        """Action and resource, too."""
        return {"error": str(self), "action": self.action, "resource": self.resource}


class TemplatePolicyError(ClaimPolicyError):
    """The policy of the claim does not allow this template: it may be for another one."""

    field = EnrolmentField.TEMPLATE
    key = EnrolmentProblem.TEMPLATE_POLICY


class TemplateUnusableError(EnrolmentError):
    """There is no such template, it is disabled, or it has a fault."""

    field = EnrolmentField.TEMPLATE
    key = EnrolmentProblem.TEMPLATE_UNUSABLE


class HookRefusedError(EnrolmentError):
    """The pre-provisioning hook of the template did not allow it.

    That of the project's stack refuses a serial number whose thing has a certificate.
    """

    field = EnrolmentField.PARAMETERS
    key = EnrolmentProblem.HOOK_REFUSED


class HookFailedError(EnrolmentError):
    """The pre-provisioning hook could not be asked, or its answer was of no use."""

    field = EnrolmentField.TEMPLATE
    key = EnrolmentProblem.HOOK_FAILED


class ParameterMissingError(EnrolmentError):
    """The template needs a parameter that was not given."""

    field = EnrolmentField.PARAMETERS
    key = EnrolmentProblem.PARAMETER_MISSING

    def __init__(self, message: str, parameter: str) -> None:
        """Keep AWS's words, and the parameter's name."""
        self.parameter = parameter
        super().__init__(message)

    @property
    def placeholders(self) -> dict[str, str]:
        """The parameter's name, too."""
        return {"error": str(self), "parameter": self.parameter}


class ParametersInvalidError(EnrolmentError):
    """The template does not take these parameters."""

    field = EnrolmentField.PARAMETERS
    key = EnrolmentProblem.PARAMETERS_INVALID


class TokenExpiredError(EnrolmentError):
    """AWS does not take the new certificate's token any more: another try has another."""

    key = EnrolmentProblem.TOKEN_EXPIRED


class LimitedError(EnrolmentError):
    """AWS IoT makes no more at the moment: a quota, or too many requests at once."""

    key = EnrolmentProblem.LIMITED


class NoAnswerError(EnrolmentError):
    """AWS IoT has not answered. The next try goes on with what there is."""

    key = EnrolmentProblem.NO_ANSWER


class ThingUnknownError(EnrolmentError):
    """The new certificate is active, but AWS does not tell any more for which thing.

    Another try would end the same way: its owner has to delete it in AWS.
    """

    key = EnrolmentProblem.THING_UNKNOWN

    def __init__(self, certificate_id: str) -> None:
        """Name the certificate."""
        self.certificate_id = certificate_id
        super().__init__(
            f"certificate {certificate_id} is active, but AWS IoT does not tell any more "
            f"for which thing"
        )

    @property
    def placeholders(self) -> dict[str, str]:
        """The certificate's id, too."""
        return {"error": str(self), "certificate_id": self.certificate_id}


class ThingRefusedError(EnrolmentError):
    """The home is enrolled, but could not connect with its new certificate.

    The next try goes on with it.
    """

    key = EnrolmentProblem.THING_REFUSED

    def __init__(self, message: str, thing_name: str) -> None:
        """Say why, and which thing it is."""
        self.thing_name = thing_name
        super().__init__(message)

    @property
    def placeholders(self) -> dict[str, str]:
        """The thing's name, too."""
        return {"error": str(self), "thing_name": self.thing_name}


class ThingPolicyError(ThingRefusedError):
    """The home is enrolled, but the policy of its certificate does not allow its jobs."""

    key = EnrolmentProblem.THING_POLICY


class UnexpectedError(EnrolmentError):
    """AWS IoT said something that is not known here."""

    key = EnrolmentProblem.UNEXPECTED
