"""What a step of a job can be, and what one that runs in Home Assistant itself is to do.

The AWS IoT Device Client knows the first two types, and rejects a document with another one.
An `input` of the others holds nothing that is not known here: a word that is misspelt must
not be an update without its backup.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import json
import re
from typing import Any, ClassVar, Final

import voluptuous as vol

from .fields import any_object, boolean, list_of, plain_text, required_text, seconds
from .reasons import Reason

LATEST: Final = "latest"
"""The version of an update that is any: it has to be said."""
HACS: Final = "hacs:"
"""What stands before a repository that HACS has installed."""

PLACEHOLDER: Final = "${aws:iot:"
"""What a URL begins with that AWS has not filled in."""


ACTION_NAME: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
"""What the name of an action of Home Assistant looks like."""
TARGETS: Final = ("entity_id", "device_id", "area_id", "floor_id", "label_id")
"""What an action of Home Assistant can be for."""
_TEMPLATE: Final = re.compile(r"\{[{%#]")
_MAX_LEVELS: Final = 20


class ActionType(StrEnum):
    """What an action can be."""

    RUN_HANDLER = "runHandler"
    RUN_COMMAND = "runCommand"
    SIGNED = "signed"
    DRY_RUN = "dryRun"
    UPDATE_HOME_ASSISTANT = "updateHomeAssistant"
    CREATE_BACKUP = "createBackup"
    CALL_ACTION = "callAction"
    CHECK_HOME_ASSISTANT = "checkHomeAssistant"
    RESTART_HOME_ASSISTANT = "restartHomeAssistant"
    RELOAD_CONFIGURATION = "reloadConfiguration"
    COLLECT_LOGS = "collectLogs"
    ROTATE_CERTIFICATE = "rotateCertificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantCall:
    """What Home Assistant itself is to do."""

    type: ClassVar[ActionType]
    default_timeout: ClassVar[float]

    @property
    def seconds(self) -> float:
        """How long it may take where its document says nothing."""
        return self.default_timeout

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words, as a command would have them, without what is secret."""
        return (self.type.value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCall(HomeAssistantCall):
    """Bring Home Assistant, or something that it has updates of, to a version.

    `what` is "core", "os", "supervisor", the slug of an app, "hacs:" with a repository, or
    an update entity. `version` is empty for the newest one. With `backup`, one is made
    before.
    """

    type = ActionType.UPDATE_HOME_ASSISTANT
    default_timeout = 3600.0

    what: str
    version: str = ""
    backup: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words."""
        backup = ("backup",) if self.backup else ()
        return (self.type.value, self.what, self.version or LATEST, *backup)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCall(HomeAssistantCall):
    """Make a backup, and send it to `upload_url` where there is one.

    Without `agents`, it goes where the automatic backups go, or stays here.
    """

    type = ActionType.CREATE_BACKUP
    default_timeout = 3600.0

    name: str = ""
    agents: tuple[str, ...] = ()
    include_database: bool = True
    upload_url: str = field(default="", repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words."""
        words = (self.type.value, self.name, *self.agents, self.upload_url)
        return tuple(filter(None, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCall(HomeAssistantCall):
    """Perform an action of Home Assistant, as "light.turn_off".

    With `response`, what it answers is the output of the step.
    """

    type = ActionType.CALL_ACTION
    default_timeout = 300.0

    action: str
    target: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    response: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words."""
        target = (id_ for ids in self.target.values() for id_ in ids)
        data = (json.dumps(self.data, ensure_ascii=False),) if self.data else ()
        return (self.type.value, self.action, *target, *data)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCall(HomeAssistantCall):
    """See that all of this holds, within so many seconds.

    `version` is that of Home Assistant; `components` are loaded; with `entries`, no config
    entry is in error that was not before the job; `tolerance` is how many percent of the
    entities may be unavailable beyond those that were; with `recorder`, history is written;
    `url` answers, be it a path of Home Assistant's own.
    """

    type = ActionType.CHECK_HOME_ASSISTANT
    default_timeout = 60.0

    within: float = 300.0
    version: str = ""
    components: tuple[str, ...] = ()
    entries: bool = False
    tolerance: float | None = None
    recorder: bool = False
    url: str = field(default="", repr=False)

    @property
    def seconds(self) -> float:
        """How long it may take: some time beyond that in which all has to hold."""
        return self.within + self.default_timeout

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words."""
        words = (
            self.version,
            *self.components,
            "entries" if self.entries else "",
            "" if self.tolerance is None else f"availableEntities -{self.tolerance:g}%",
            "recorder" if self.recorder else "",
            # What is asked for may be what opens a door.
            self.url.partition("?")[0],
        )
        return (self.type.value, *filter(None, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartCall(HomeAssistantCall):
    """Restart Home Assistant, if its configuration is valid."""

    type = ActionType.RESTART_HOME_ASSISTANT
    default_timeout = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadCall(HomeAssistantCall):
    """Load Home Assistant's YAML configuration anew, if it is valid."""

    type = ActionType.RELOAD_CONFIGURATION
    default_timeout = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsCall(HomeAssistantCall):
    """Send the logs of Home Assistant, of its Supervisor and of the jobs to a URL."""

    type = ActionType.COLLECT_LOGS
    default_timeout = 900.0

    upload_url: str = field(repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words."""
        return (self.type.value, self.upload_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateCall(HomeAssistantCall):
    """Get another certificate for the thing, by a provisioning template of AWS IoT.

    Without a `template` it is the one that the thing knows of.
    """

    type = ActionType.ROTATE_CERTIFICATE
    default_timeout = 300.0

    template: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words."""
        return tuple(filter(None, (self.type.value, self.template)))


def call_of(type_: ActionType, given: Any) -> HomeAssistantCall:
    """Return what the input of an action in Home Assistant says.

    Raises vol.Invalid, which knows the field by its path.
    """
    schema, build = _READERS[type_]
    fields = {k: v for k, v in any_object(given).items() if v is not None}
    for key in fields:
        if key not in schema.schema:
            known = ", ".join(map(str, schema.schema)) or "none"
            unknown = Reason.UNKNOWN_KEY.text(found=f"{key!r:.40}", known=known)
            raise vol.Invalid(unknown)
    return build(schema(fields))


def _update(fields: dict[str, Any]) -> UpdateCall:
    what, version = fields["what"].strip(), fields["version"].strip()
    if what in ("core", "os") and not version:
        needed = Reason.UPDATE_WITHOUT_VERSION.text(what=what)
        raise vol.Invalid(needed, path=["version"])
    if what == HACS:
        raise vol.Invalid(Reason.MISSING.text(), path=["what"])
    return UpdateCall(
        what=what,
        version="" if version == LATEST else version,
        backup=fields["backup"],
    )


def _backup(fields: dict[str, Any]) -> BackupCall:
    return BackupCall(
        name=fields["name"].strip(),
        agents=tuple(fields["agents"]),
        include_database=fields["includeDatabase"],
        upload_url=fields["uploadUrl"],
    )


def _action(fields: dict[str, Any]) -> ActionCall:
    return ActionCall(
        action=fields["action"],
        target=fields["target"],
        data=fields["data"],
        response=fields["response"],
    )


def _check(fields: dict[str, Any]) -> CheckCall:
    return CheckCall(
        within=fields["withinSeconds"] or 300.0,
        version=fields["version"].strip(),
        components=tuple(fields["components"]),
        entries=fields["entries"],
        tolerance=fields["availableEntities"],
        recorder=fields["recorder"],
        url=fields["url"],
    )


def _logs(fields: dict[str, Any]) -> LogsCall:
    return LogsCall(upload_url=fields["uploadUrl"])


def _rotation(fields: dict[str, Any]) -> RotateCall:
    return RotateCall(template=fields["template"])


def _template(value: Any) -> str:
    name = plain_text(value).strip()
    if name and not re.fullmatch(r"[0-9A-Za-z_-]{1,36}", name):
        raise vol.Invalid(Reason.NO_TEMPLATE_NAME.text(found=f"{name!r:.60}"))
    return name


def _action_name(value: Any) -> str:
    name = required_text(value).strip()
    if not ACTION_NAME.fullmatch(name):
        raise vol.Invalid(Reason.NO_ACTION_NAME.text(found=f"{name!r:.60}"))
    return name


def _ids(value: Any) -> tuple[str, ...]:
    """Read what an action is for: one id, or several."""
    return tuple(list_of(required_text)([value] if isinstance(value, str) else value))


def _target(value: Any) -> dict[str, tuple[str, ...]]:
    target = any_object(value)
    for key in target:
        if key not in TARGETS:
            known = ", ".join(TARGETS)
            unknown = Reason.UNKNOWN_KEY.text(found=f"{key!r:.40}", known=known)
            raise vol.Invalid(unknown)
    return {key: _ids(ids) for key, ids in target.items() if ids is not None}


def _data(value: Any) -> dict[str, Any]:
    """Read what an action is given; what it is for stands beside that, to be looked at."""
    data = any_object(value)
    for key in data:
        if key in TARGETS:
            raise vol.Invalid(Reason.MISPLACED_TARGET.text(found=repr(key)))
    for text in _texts(data, _MAX_LEVELS):
        # Some actions would render it: the file name of a snapshot, for one.
        if _TEMPLATE.search(text):
            raise vol.Invalid(Reason.TEMPLATE.text(found=f"{text!r:.60}"))
    return data


def _texts(value: Any, levels: int) -> Iterator[str]:
    """Yield all texts in what JSON can say, if it has no more levels than these."""
    if levels < 0:
        raise vol.Invalid(Reason.TOO_MANY_LEVELS.text(count=_MAX_LEVELS))
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield key
                yield from _texts(item, levels - 1)
        case list():
            for item in value:
                yield from _texts(item, levels - 1)


def _percent(value: Any) -> float | None:
    """Read a tolerance in percent; true is for none at all."""
    match value:
        case bool():
            return 0.0 if value else None
        case int() | float() if 0 <= value <= 100:
            return float(value)
        case None | "" | "false":
            return None
        case "true":
            return 0.0
        case str() if re.fullmatch(r"[0-9]{1,3}", value):
            return _percent(int(value))
    raise vol.Invalid(Reason.MUST_BE_PERCENT.text())


def _url(value: Any) -> str:
    """Read an http or https URL; AWS fills in one where the document has a placeholder."""
    url = plain_text(value).strip()
    if url and not url.startswith(("http://", "https://", PLACEHOLDER)):
        raise vol.Invalid(Reason.MUST_BE_URL.text())
    return url


def _required_url(value: Any) -> str:
    return _url(required_text(value))


def _url_or_path(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith("/") else _url(value)


_READERS: Final[
    Mapping[ActionType, tuple[Any, Callable[[dict[str, Any]], HomeAssistantCall]]]
] = {
    ActionType.UPDATE_HOME_ASSISTANT: (
        vol.Schema(
            {
                vol.Required("what"): required_text,
                vol.Optional("version", default=""): plain_text,
                vol.Optional("backup", default=False): boolean,
            }
        ),
        _update,
    ),
    ActionType.CREATE_BACKUP: (
        vol.Schema(
            {
                vol.Optional("name", default=""): plain_text,
                vol.Optional("agents", default=list): list_of(required_text),
                vol.Optional("includeDatabase", default=True): boolean,
                vol.Optional("uploadUrl", default=""): _url,
            }
        ),
        _backup,
    ),
    ActionType.CALL_ACTION: (
        vol.Schema(
            {
                vol.Required("action"): _action_name,
                vol.Optional("target", default=dict): _target,
                vol.Optional("data", default=dict): _data,
                vol.Optional("response", default=False): boolean,
            }
        ),
        _action,
    ),
    ActionType.CHECK_HOME_ASSISTANT: (
        vol.Schema(
            {
                vol.Optional("withinSeconds", default=None): seconds,
                vol.Optional("version", default=""): plain_text,
                vol.Optional("components", default=list): list_of(required_text),
                vol.Optional("entries", default=False): boolean,
                vol.Optional("availableEntities", default=None): _percent,
                vol.Optional("recorder", default=False): boolean,
                vol.Optional("url", default=""): _url_or_path,
            }
        ),
        _check,
    ),
    ActionType.RESTART_HOME_ASSISTANT: (vol.Schema({}), lambda _: RestartCall()),
    ActionType.RELOAD_CONFIGURATION: (vol.Schema({}), lambda _: ReloadCall()),
    ActionType.COLLECT_LOGS: (
        vol.Schema({vol.Required("uploadUrl"): _required_url}),
        _logs,
    ),
    ActionType.ROTATE_CERTIFICATE: (
        vol.Schema({vol.Optional("template", default=""): _template}),
        _rotation,
    ),
}

HOME_STEP_TYPES: Final = tuple(_READERS)
"""The types of the steps that run in Home Assistant itself."""
