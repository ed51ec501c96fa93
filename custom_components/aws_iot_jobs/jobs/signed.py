"""Signed job documents: what a job is to do, as somebody with a key has said it.

AWS writes JSON anew, so that no signature of it would last: the document travels as text,
within the one step of a document that nobody else can run:

    {"version": "1.0", "steps": [{"action": {"name": "Signed", "type": "signed",
     "input": {"jws": "…", "urls": {"package": "${aws:iot:s3-presigned-url-v2:…}"}}}}]}

The text is a JWS (RFC 7515, compact); its payload is the document with three more members:
`exp` (seconds since 1970), `targets` (names of things, or "*") and `jobId`. What AWS has to
fill in stands beside it: a string "{{url:package}}" of the payload is that URL, which is
signed by nobody, so that what is fetched from it has to be compared with a digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import json
import re
from typing import Any, Final, Protocol, TypeIs

from ..aws_iot.model import ExecutionKey
from .calls import PLACEHOLDER, ActionType
from .errors import InvalidJobDocumentError
from .reasons import Reason

ANY_TARGET: Final = "*"
_STEP: Final = "steps[0].action"
_JWS: Final = f"{_STEP}.input.jws"
_CLAIMS: Final = ("exp", "targets", "jobId", "iat")
_URL_NAME = re.compile(r"\{\{url:([A-Za-z0-9_-]{1,64})\}\}")
# No space, comma or quote: it stays one argument, whoever has written it.
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&()*+;=%-]+")
_LATEST_TIME: Final = 253_402_300_799
"""The last second that a date can name."""


class NotTrustedError(InvalidJobDocumentError):
    """A job document is not signed as it has to be."""


class Verifier(Protocol):
    """What knows the keys that may sign."""

    def verify(self, jws: str) -> bytes:
        """Return the payload of a JWS. Raises NotTrustedError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose documents are run: with `only_signed`, no other ones of AWS."""

    verifier: Verifier | None = None
    only_signed: bool = False


ANYBODY: Final = Trust()
"""Documents need not be signed, and nobody's signature is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedJob:
    """A signed job that has been run here: which, and until when it could be run again."""

    job_id: str
    execution_number: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What there is to run, and when that expires where it was signed."""

    document: Any
    expires_at: int | None = None


def open_document(
    document: Any,
    trust: Trust,
    *,
    thing_name: str,
    job_id: str | None,
    now: datetime | None = None,
) -> Opened:
    """Return the document that another one, as JSON gives it, has in it; or itself.

    It is of the job with this id, None for any. Raises NotTrustedError where it is not
    signed as it has to be, for this thing, this job, and this time.
    """
    given = _envelope(document)
    if given is None:
        if _has_signed_step(document):
            raise NotTrustedError("steps", Reason.SIGNED_NOT_ALONE.text())
        if trust.only_signed:
            raise NotTrustedError("", Reason.NOT_SIGNED.text())
        return Opened(document=document)
    jws, urls = given.get("jws"), given.get("urls")
    if not isinstance(jws, str) or not jws:
        raise NotTrustedError(_JWS, Reason.MISSING.text())
    if trust.verifier is None:
        raise NotTrustedError(_JWS, Reason.NO_KEY_TO_VERIFY.text())
    payload = _payload(trust.verifier.verify(jws))
    expires_at = _check_claims(
        payload, thing_name=thing_name, job_id=job_id, now=now or datetime.now(UTC)
    )
    inner = {key: value for key, value in payload.items() if key not in _CLAIMS}
    return Opened(document=_filled(inner, _urls(urls)), expires_at=expires_at)


def refuse_replay(
    key: ExecutionKey, opened: Opened, known: Iterable[SignedJob]
) -> None:
    """Raise NotTrustedError where a signed job has been run before, under the same name.

    AWS counts the executions up where it tries a job again by itself, and begins anew where
    somebody has deleted the job and made it once more.
    """
    if opened.expires_at is None:
        return
    for job in known:
        if job.job_id == key.job_id and job.execution_number >= key.execution_number:
            raise NotTrustedError(
                _JWS, Reason.SIGNED_JOB_REPLAYED.text(found=repr(key.job_id))
            )


def remembered(
    known: Iterable[SignedJob], job: SignedJob, *, now: datetime, count: int
) -> tuple[SignedJob, ...]:
    """Return which signed jobs to remember: the last ones, without what has expired."""
    valid = [one for one in known if one.expires_at > now.timestamp()]
    return (*valid, job)[-count:]


def _envelope(document: Any) -> Mapping[str, Any] | None:
    """Return the input of a document's signed step; None where it has none."""
    match document:
        case {
            "steps": [{"action": {"type": ActionType.SIGNED, "input": dict() as given}}]
        } if document.get("finalStep") is None:
            return given
    return None


def _has_signed_step(document: Any) -> bool:
    """Tell whether there is a signed step where it is not all that there is."""
    if not isinstance(document, dict):
        return False
    steps = document.get("steps")
    for step in (
        *(steps if isinstance(steps, list) else ()),
        document.get("finalStep"),
    ):
        match step:
            case {"action": {"type": ActionType.SIGNED}}:
                return True
    return False


def _payload(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except ValueError, RecursionError:
        document = None
    if not isinstance(document, dict):
        raise NotTrustedError(_JWS, Reason.NO_OBJECT.text())
    return document


def _check_claims(
    payload: Mapping[str, Any],
    *,
    thing_name: str,
    job_id: str | None,
    now: datetime,
) -> int:
    """Return when a payload expires. Raises NotTrustedError where it is not for here, now."""
    expires_at, targets = payload.get("exp"), payload.get("targets")
    if not _is_time(expires_at):
        raise NotTrustedError(_JWS, Reason.CLAIM_MISSING.text(key="exp"))
    if isinstance(targets, str):
        targets = [targets]
    if not isinstance(targets, list):
        raise NotTrustedError(_JWS, Reason.CLAIM_MISSING.text(key="targets"))
    signed_for = payload.get("jobId")
    if not isinstance(signed_for, str) or not signed_for:
        raise NotTrustedError(_JWS, Reason.CLAIM_MISSING.text(key="jobId"))
    if expires_at <= now.timestamp():
        at = datetime.fromtimestamp(expires_at, UTC)
        found = at.isoformat(timespec="seconds")
        raise NotTrustedError(_JWS, Reason.SIGNATURE_EXPIRED.text(found=found))
    if ANY_TARGET not in targets and thing_name not in targets:
        raise NotTrustedError(
            _JWS, Reason.SIGNED_FOR_OTHERS.text(found=repr(thing_name))
        )
    if job_id not in (None, signed_for):
        raise NotTrustedError(
            _JWS, Reason.SIGNED_FOR_OTHER_JOB.text(found=f"{signed_for!r:.80}")
        )
    return int(expires_at)


def _is_time(value: Any) -> TypeIs[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= _LATEST_TIME


def _urls(given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise NotTrustedError(f"{_STEP}.input.urls", Reason.MUST_BE_OBJECT.text())
    for name, url in given.items():
        usable = isinstance(url, str) and (
            _URL.fullmatch(url) or url.startswith(PLACEHOLDER)
        )
        if not usable:
            field = f"{_STEP}.input.urls.{name:.64}"
            raise NotTrustedError(field, Reason.MUST_BE_URL.text())
    return given


def _filled(value: Any, urls: Mapping[str, str]) -> Any:
    """Return a value with the URLs in the places that are kept for them."""
    match value:
        case str():
            return _filled_text(value, urls)
        case dict():
            return {key: _filled(item, urls) for key, item in value.items()}
        case list():
            return [_filled(item, urls) for item in value]
    return value


def _filled_text(text: str, urls: Mapping[str, str]) -> str:
    """Return the URL that a text stands for.

    Within a longer text, as a command, it could be more than a URL to who reads that.
    """
    if (found := _URL_NAME.search(text)) is None:
        return text
    if found[0] != text:
        raise NotTrustedError(_JWS, Reason.URL_WITHIN_TEXT.text(found=found[0]))
    if found[1] not in urls:
        raise NotTrustedError(
            f"{_STEP}.input.urls", Reason.URL_MISSING.text(found=repr(found[1]))
        )
    return urls[found[1]]
