"""The websocket commands of the card; what they take and answer is in docs/websocket.md.

Whoever may read an entity of a thing may follow its jobs and their logs. What a waiting job
would do is for administrators alone: commands may hold secrets.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import probatio

from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import (
    ERR_HOME_ASSISTANT_ERROR,
    ERR_NOT_FOUND,
    WebSocketCommandHandler,
)
from homeassistant.components.websocket_api.decorators import (
    async_response,
    websocket_command,
)
from homeassistant.components.websocket_api.messages import (
    BASE_COMMAND_MESSAGE_SCHEMA,
    construct_event_message,
    construct_result_message,
)
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import Unauthorized
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import json_bytes

from .const import DOMAIN
from .coordinator import AwsIotJobsConfigEntry, JobsCoordinator
from .followed_jobs import MAX_HISTORY, FollowedJobs
from .followed_log import FollowedLog
from .jobs.errors import NoSuchJobError
from .jobs.log_lines import JobLogText
from .jobs.model import JobState
from .jobs.redact import without_signatures
from .log_pages import page
from .permissions import async_may
from .reasons import (
    async_language,
    async_load_language,
    async_template,
    async_translate_plan,
)
from .responses import plan_response
from .shown import Viewer, async_shown_jobs
from .thing_changes import async_coordinator, async_find_thing

ERR_NOT_LOADED: Final = "not_loaded"
PAGE_BYTES: Final = 1024 * 1024
"""How large a page of a log is, about."""

_ID: Final = "id"
_TYPE: Final = "type"

type _Message = dict[str, Any]


class CommandError(Exception):
    """A command cannot be done. Its message is for people, `code` for programs."""

    def __init__(self, code: str, message: str) -> None:
        """Say what is in the way."""
        super().__init__(message)
        self.code = code


class _Command:
    """One command from a user, about a thing that this user may read."""

    def __init__(
        self, hass: HomeAssistant, connection: ActiveConnection, message: _Message
    ) -> None:
        """Look who asks for what. Raises CommandError, Unauthorized."""
        self.hass = hass
        self.connection = connection
        self.message = message
        language = async_language(hass, message.get("language"))
        self.viewer = Viewer(user=connection.user, language=language)
        found = async_find_thing(hass, message[ATTR_DEVICE_ID])
        if found is None:
            raise CommandError(ERR_NOT_FOUND, "There is no such thing.")
        self.device: dr.DeviceEntry = found[0]
        self.entry: AwsIotJobsConfigEntry = found[1]
        if not async_may(hass, connection.user, self.entry, POLICY_READ):
            raise Unauthorized(
                permission=POLICY_READ, config_entry_id=self.entry.entry_id
            )

    @property
    def id(self) -> int:
        """By what the page names this command."""
        number: int = self.message[_ID]
        return number

    @property
    def coordinator(self) -> JobsCoordinator:
        """What runs the thing's agent. Raises CommandError where that is not loaded."""
        if (coordinator := async_coordinator(self.entry)) is None:
            raise self.error(ERR_NOT_LOADED, "agent_ended")
        return coordinator

    @property
    def job(self) -> JobState:
        """The job that is meant, under way or ended. Raises CommandError."""
        for job in self.coordinator.agent.jobs:
            if self._is_meant(job):
                return job
        raise self.error(ERR_NOT_FOUND, "no_such_job", job_id=self.message["job_id"])

    def _is_meant(self, job: JobState) -> bool:
        key, message = job.key, self.message
        same = key[:2] == (message["job_id"], message["execution_number"])
        queued_at = message.get("queued_at")
        return same and queued_at in (None, key.queued_at)

    def answer(self, result: object = None) -> None:
        """Answer the command."""
        self.connection.send_result(self.id, result)

    def error(self, code: str, text: str, **parts: str) -> CommandError:
        """Return what is in the way, by the key of the sentence that says so."""
        template = async_template(self.hass, text, self.viewer.language)
        return CommandError(code, template.format(thing_name=self.entry.title, **parts))


@callback
def async_setup_websocket(hass: HomeAssistant) -> None:
    """Register all commands."""
    for name, handler, fields in _COMMANDS:
        command = f"{DOMAIN}/{name}"
        schema = BASE_COMMAND_MESSAGE_SCHEMA.extend(
            {probatio.Required(_TYPE): command, **_THING, **fields}
        )
        async_register_command(hass, command, handler, schema)
    async_register_command(hass, _async_log_taken)


def _answering(act: Callable[[_Command], Awaitable[None]]) -> WebSocketCommandHandler:
    """Return what handles a command that is answered, maybe after a while."""

    @async_response
    async def handle(
        hass: HomeAssistant, connection: ActiveConnection, message: _Message
    ) -> None:
        try:
            command = _Command(hass, connection, message)
            await async_load_language(hass, command.viewer.language)
            await act(command)
        except CommandError as err:
            connection.send_error(message[_ID], err.code, str(err))

    return handle


def _following(follow: Callable[[_Command], CALLBACK_TYPE]) -> WebSocketCommandHandler:
    """Return what handles a command that is told of changes until that is ended.

    It is to be ended from the same moment on: a page may be gone in the next one.
    """

    @callback
    def handle(
        hass: HomeAssistant, connection: ActiveConnection, message: _Message
    ) -> None:
        try:
            end = follow(_Command(hass, connection, message))
        except CommandError as err:
            connection.send_error(message[_ID], err.code, str(err))
        else:
            connection.subscriptions[message[_ID]] = end
            connection.send_result(message[_ID])

    return handle


def _follow_jobs(command: _Command) -> CALLBACK_TYPE:
    following = FollowedJobs(
        command.hass,
        command.viewer,
        command.device,
        command.entry,
        partial(command.connection.send_event, command.id),
    )
    return following.async_end


async def _async_plan(command: _Command) -> None:
    if not command.connection.user.is_admin:
        raise Unauthorized(config_entry_id=command.entry.entry_id)
    job_id = command.message.get("job_id")
    try:
        plan = await command.coordinator.agent.plan_of_waiting(job_id)
    except NoSuchJobError as err:
        key = "no_job_waits" if err.job_id is None else "job_does_not_wait"
        raise command.error(ERR_NOT_FOUND, key, job_id=err.job_id or "") from err
    language = command.viewer.language
    command.answer(plan_response(async_translate_plan(command.hass, plan, language)))


async def _async_history(command: _Command) -> None:
    jobs = command.coordinator.agent.history.jobs(command.message["limit"])
    shown = await async_shown_jobs(command.hass, command.viewer, jobs)
    command.answer({"jobs": shown})


async def _async_read_log(command: _Command) -> None:
    message, job = command.message, command.job
    step = message.get("step_index")
    try:
        text = await command.coordinator.agent.logs.read(
            job.key, step=None if step is None else step - 1, tail=message.get("tail")
        )
    except OSError as err:
        raise command.error(
            ERR_HOME_ASSISTANT_ERROR,
            "log_unreadable",
            job_id=job.key.job_id,
            reason=err.strerror or str(err),
        ) from err
    # As bytes: a page is too much for the event loop to encode.
    result = await command.hass.async_add_executor_job(
        _log_result, job, text, message["after"]
    )
    command.connection.send_message(construct_result_message(command.id, result))


def _log_result(job: JobState, text: JobLogText, after: int) -> bytes:
    """Return a page of a log as JSON."""
    found = page(text.after(after), number=after, limit=PAGE_BYTES)
    rest = {
        "steps": [
            {
                "step_index": step.index + 1,
                "step": without_signatures(job.steps[step.index].name),
                "dropped_bytes": step.dropped,
            }
            for step in text.steps[: len(job.steps)]
        ],
        "number": found.number if found.more else max(after, text.number),
        "more": found.more,
    }
    return b'{"lines":%b,%b' % (found.lines, json_bytes(rest)[1:])


def _follow_log(command: _Command) -> CALLBACK_TYPE:
    connection, id_ = command.connection, command.id

    def send(event: bytes) -> None:
        connection.send_message(construct_event_message(id_, event))

    return FollowedLog(
        command.hass,
        command.device,
        command.entry,
        command.job.key,
        after=command.message["after"],
        send=send,
        subscription=id_,
    )


@websocket_command(
    {
        probatio.Required(_TYPE): f"{DOMAIN}/log/taken",
        probatio.Required("subscription"): int,
    }
)
@callback
def _async_log_taken(
    hass: HomeAssistant, connection: ActiveConnection, message: _Message
) -> None:
    """Have a followed log go on; one that has ended meanwhile needs nothing."""
    following = connection.subscriptions.get(message["subscription"])
    if isinstance(following, FollowedLog):
        following.async_taken()
    connection.send_result(message[_ID])


_NUMBER = probatio.All(int, probatio.Range(min=0))
_COUNT = probatio.All(int, probatio.Range(min=1))
_THING: Mapping[Any, Any] = {
    probatio.Required(ATTR_DEVICE_ID): str,
    probatio.Optional("language"): str,
}
_JOB: Mapping[Any, Any] = {
    probatio.Required("job_id"): str,
    probatio.Required("execution_number"): int,
    probatio.Optional("queued_at"): probatio.Any(None, int),
    probatio.Optional("after", default=0): _NUMBER,
}

_COMMANDS: tuple[tuple[str, WebSocketCommandHandler, Mapping[Any, Any]], ...] = (
    ("jobs/subscribe", _following(_follow_jobs), {}),
    ("jobs/plan", _answering(_async_plan), {probatio.Optional("job_id"): str}),
    (
        "history",
        _answering(_async_history),
        {probatio.Optional("limit", default=MAX_HISTORY): _COUNT},
    ),
    (
        "log/read",
        _answering(_async_read_log),
        {
            **_JOB,
            probatio.Optional("step_index"): _COUNT,
            probatio.Optional("tail"): _COUNT,
        },
    ),
    ("log/subscribe", _following(_follow_log), _JOB),
)
