"""Why jobs and steps ended as they did: the one place of the sentences that are ours.

AWS, the journal and the history have them in English. What such a text was made of can be
read back from it, so that it can be told in other languages; what is not ours in it, as the
names of steps, stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache, reduce
import re
from string import Formatter
from typing import cast


class Reason(Enum):
    """A sentence, with placeholders for what it tells of.

    One that holds another stands above it: so is it read, from the top. `cause` is always
    one of these; `reason` may be what a runner says, too; `detail` is what people and others
    say, and nothing of ours is looked for in it.
    """

    FAILURES_IGNORED = (
        "{succeeded} of {count} steps succeeded; failure ignored: {failures}"
    )
    STEP = "step {index} of {count} {name}: {reason}"
    FINAL_STEP = "final step {name}: {reason}"

    REJECTED_BECAUSE = "rejected in Home Assistant: {detail}"
    START_REFUSED = "AWS IoT did not accept its start: {detail}"
    INVALID_DOCUMENT = "invalid job document: {reason}"
    NOT_FOR_THIS_THING = "not for this thing: {reason}"
    WITH_DETAIL = "{cause}; {detail}"
    BETWEEN_STEPS = "{cause} between two steps"

    DRY_RUN = "dry run: nothing was run; {count} steps would be"
    DRY_RUN_FAILED = "dry run: nothing was run; {reason}"
    SUCCEEDED = "{succeeded} of {count} steps succeeded"
    EXIT_STATUS = "exit status {status}"
    SIGNAL = "ended by signal {signal}"
    TOO_MUCH_STDERR = "{lines} lines on stderr, more than the {allowed} of allowStdErr"
    TIMED_OUT = "timed out"
    TIMED_OUT_AFTER = "timed out after {seconds} s"
    TIME_OVER = "stopped, for the job's time in AWS IoT Jobs is over"
    STOPPED = "stopped"
    STOPPED_HERE = "stopped in Home Assistant"
    AGENT_STOPPED = "interrupted: the agent was stopped"
    INTERRUPTED_TOO_OFTEN = (
        "interrupted {attempts} times and not run again: the agent or the runner ended "
        "each time before the step did"
    )
    NOT_HANDED_OUT = "interrupted, and not handed out again"
    INTERNAL_ERROR = "internal error of the agent; its log says more"

    WAITING = "waiting for approval in Home Assistant"
    NOT_APPROVED = "not approved in Home Assistant in time"
    REJECTED = "rejected in Home Assistant"

    CANCELED_BY_AWS = "canceled in AWS IoT Jobs"
    TIMED_OUT_BY_AWS = "timed out in AWS IoT Jobs"
    REMOVED_BY_AWS = "removed from AWS IoT Jobs"
    SUCCEEDED_ALREADY = "AWS IoT Jobs has it as succeeded already"
    FAILED_ALREADY = "AWS IoT Jobs has it as failed already"
    REJECTED_ALREADY = "AWS IoT Jobs has it as rejected already"

    FIELD = "{path}: {cause}"
    NOT_SIGNED = "not signed, and this Home Assistant runs signed jobs alone"
    NO_KEY_TO_VERIFY = "signed, and this Home Assistant has no key to verify that"
    NO_SIGNATURE = "no signed text: a JWS has three parts of Base64url"
    NO_KEY_ID = "has no kid in its header"
    UNKNOWN_KEY_ID = "signed with key {found}, which this Home Assistant does not have"
    OTHER_ALGORITHM = (
        "signed with algorithm {found}; a key of its kind signs with {wanted}"
    )
    WRONG_SIGNATURE = (
        "the signature is wrong: the document was changed, or signed with another key"
    )
    SIGNATURE_EXPIRED = "expired at {found}"
    SIGNED_FOR_OTHERS = "signed for other things, not for {found}"
    SIGNED_FOR_OTHER_JOB = "signed for job {found}, not for this one"
    SIGNED_JOB_REPLAYED = "signed job {found} has been run here before"
    CLAIM_MISSING = "the signed document has no {key} as it needs it"
    URL_WITHIN_TEXT = "{found} stands within a longer text, not alone"
    URL_MISSING = "has no URL {found}"
    DRY_RUN_NOT_FIRST = '"dryRun" has to be the first step of a document'
    DRY_RUN_OF_NOTHING = '"dryRun" needs steps after it, of which it tells'
    SIGNED_NOT_ALONE = '"signed" has to be the only step of a document'
    NO_OBJECT = "the job document is not a JSON object"
    VERSION_MISSING = 'required ("{version}")'
    VERSION_OR_OPERATION_MISSING = (
        'required ("{version}"), or operation in the old schema'
    )
    VERSION_IS_NO_TEXT = 'must be the string "{version}", not a list or an object'
    OTHER_VERSION = 'must be the string "{version}", not {found}'
    MISSING = "required"
    MUST_BE_TEXT = "must be a string"
    MUST_BE_PLAIN_TEXT = "must not hold NUL characters or lone surrogates"
    MUST_BE_OBJECT = "must be an object"
    MUST_BE_LIST = "must be a list"
    MUST_NOT_BE_EMPTY = "must not be empty"
    MUST_BE_BOOLEAN = 'must be true, false, "true" or "false"'
    MUST_BE_COUNT = "must be a whole number of 0 or more"
    MUST_BE_SECONDS = (
        "must be a number of seconds, more than 0 and at most {max_seconds}"
    )
    UNKNOWN_ACTION = 'must be "runHandler" or "runCommand", not {found}'
    USER_IN_HOME_ASSISTANT = "must be empty: Home Assistant itself runs this step"
    UPDATE_WITHOUT_VERSION = 'required for "{what}", be it "latest"'
    NO_ACTION_NAME = 'must be an action such as "light.turn_on", not {found}'
    NO_TEMPLATE_NAME = "must be the name of a provisioning template, not {found}"
    MISPLACED_TARGET = "{found} belongs in target"
    TEMPLATE = "must hold no template, for none is rendered: {found}"
    TOO_MANY_LEVELS = "must not be nested more than {count} levels deep"
    MUST_BE_PERCENT = "must be a number of percent, from 0 to 100"
    MUST_BE_URL = "must be an http or https URL"
    NO_PROGRAM = "required: its first word is empty"
    PROGRAM_WITH_SPACES = (
        "its first word {found} contains spaces; commas separate the words"
    )
    STEP_TYPE_FENCED_OFF = (
        "steps of type {found} are not allowed on this Home Assistant "
        '(fence "home_assistant_steps")'
    )
    ACTION_NEVER_ALLOWED = "action {found} is never allowed to jobs"
    ACTION_NOT_ALLOWED = "action {found} is not among those that are allowed to jobs on this Home Assistant"
    ACTION_NOT_FOR_TARGET = (
        "action {found} is allowed to jobs on this Home Assistant for some entities alone, "
        "not for {target}"
    )
    ACTION_WITH_OTHER_DATA = (
        "action {found} is allowed to jobs on this Home Assistant with other data alone"
    )
    COMMANDS_FENCED_OFF = (
        'commands are not allowed on this Home Assistant (fence "commands")'
    )
    PATH_FENCED_OFF = (
        "path {found} is not allowed on this Home Assistant, only the handler directory "
        'is (fence "paths")'
    )
    HANDLER_FENCED_OFF = (
        "handler {found} is not among those that are allowed on this Home Assistant "
        '(fence "handlers")'
    )
    USER_FENCED_OFF = (
        "user {found} is not among those that are allowed on this Home Assistant "
        '(fence "users")'
    )
    NO_USER_FENCED_OFF = (
        'steps that name no user are not allowed on this Home Assistant (fence "users")'
    )
    HOST_FENCED_OFF = (
        "URLs of host {found} are not allowed on this Home Assistant "
        '(fence "upload_hosts")'
    )
    URL_FENCED_OFF = (
        "has a URL that does not plainly name its host, which is not allowed on this "
        'Home Assistant (fence "upload_hosts")'
    )
    UNKNOWN_CONDITION = 'must be "stringEqual", not {found}'
    MISSPELT_TYPE = "must be {meant}, not {found}"
    UNKNOWN_KEY = "unknown key {found}; known are {known}"
    VERSION_NOT_BELOW = "{key} is {here}, not less than {wanted}"
    VERSION_NOT_AT_LEAST = "{key} is {here}, not at least {wanted}"
    VERSIONS_NOT_COMPARABLE = "{key} is {here}, which cannot be compared with {wanted}"
    FACT_UNKNOWN = "{key} is unknown, not {wanted}"
    OTHER_FACT = "{key} is {here}, not {wanted}"
    EITHER = "{value} or {others}"

    def text(self, **parts: object) -> str:
        """Return the sentence in English, with these parts in their places."""
        return self.value.format(**parts)


def all_of(failures: Iterable[str]) -> str:
    """Return several failures, to stand in one sentence."""
    return _NEXT_FAILURE.join(failures)


def either(values: Iterable[str]) -> str:
    """Return values of which one is enough, to stand in one sentence."""
    return _OR.join(map(repr, values))


type Part = str | Sentence | tuple[Part, ...]
"""What stands in the place of a placeholder. Several parts stand for `failures` alone."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a text was made of."""

    reason: Reason
    parts: Mapping[str, Part]


@lru_cache(maxsize=256)
def read(text: str) -> Part:
    """Return what a text was made of; the text itself where it is not of ours."""
    return _read(text, None)


def translated(text: str, template: Callable[[Reason], str]) -> str:
    """Return a text with all that is ours in it as other templates have it."""
    return _told(read(text), template)


def _told(part: Part, template: Callable[[Reason], str]) -> str:
    match part:
        case Sentence(reason, parts):
            told = {name: _told(each, template) for name, each in parts.items()}
            return template(reason).format(**told)
        case tuple():
            return _NEXT_FAILURE.join(_told(each, template) for each in part)
    return part


def _read(text: str, above: Reason | None) -> Part:
    """Read a text that stands within a sentence, if in any."""
    for reason in _below(above):
        if (found := _expression(reason).fullmatch(text)) is None:
            continue
        parts = {
            name: _read_part(name, each, reason)
            for name, each in found.groupdict().items()
        }
        if not isinstance(parts.get("cause"), str):
            return Sentence(reason, parts)
    return text


def _read_part(name: str, text: str, above: Reason) -> Part:
    match name:
        case "failures":
            return _read_failures(text, above)
        case "cause" | "reason":
            return _read(text, above)
        case "here" | "wanted":
            return _read_values(text)
    return text


def _read_failures(text: str, above: Reason) -> Part:
    """Read what `all_of` has made."""
    failures = list(_failure().finditer(text))
    if not failures or failures[0].start():
        return text
    return tuple(_read(failure["text"], above) for failure in failures)


def _read_values(text: str) -> Part:
    """Read what `either` has made."""
    *values, last = re.split(f"{_OR}(?=['\"])", text)
    return reduce(
        lambda others, value: Sentence(
            Reason.EITHER, {"value": value, "others": others}
        ),
        reversed(values),
        cast(Part, last),
    )


def _below(above: Reason | None) -> list[Reason]:
    """Return what may stand within a sentence: what cannot hold it in turn."""
    reasons = list(Reason)
    return reasons if above is None else reasons[reasons.index(above) + 1 :]


_NEXT_FAILURE = "; "
_OR = " or "
_NUMBER = r"-?[0-9][0-9.e+-]*"
_QUOTED = r"""(?:'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")"""
"""A text as `repr` has it."""
_WORDS = {
    "name": _QUOTED,
    "signal": r"\w+",
    "failures": ".+",
    "reason": ".*",
    "cause": ".+?",
    "detail": ".*",
    "path": r"[\w.\[\]]+",
    "version": "[0-9.]+",
    "found": ".*",
    "known": ".*",
    "meant": r'"\w+"',
    "what": r"\w+",
    "target": ".+",
    "key": r"[^\s'\"]+",
    "here": ".+?",
    "wanted": ".+",
    "value": ".+?",
    "others": ".+",
}
"""What can stand for a placeholder, where it is no number."""


@cache
def _expression(reason: Reason) -> re.Pattern[str]:
    """Return what matches a sentence, with its parts as groups."""
    return re.compile("".join(_pieces(reason.value, "(?P<{name}>{words})")), re.DOTALL)


@cache
def _failure() -> re.Pattern[str]:
    """Return what matches one of several failures: up to where another step is named."""
    labels = (
        "".join(_pieces(reason.value.partition("{reason}")[0], "{words}"))
        for reason in (Reason.STEP, Reason.FINAL_STEP)
    )
    label = f"(?:{'|'.join(labels)})"
    return re.compile(
        rf"(?P<text>{label}.*?)(?:{_NEXT_FAILURE}(?={label})|\Z)", re.DOTALL
    )


def _pieces(template: str, form: str) -> Iterator[str]:
    """Yield expressions for what a template is made of, its placeholders in this form."""
    for literal, name, _, _ in Formatter().parse(template):
        yield re.escape(literal)
        if name is not None:
            yield form.format(name=name, words=_WORDS.get(name, _NUMBER))
