"""Looking after what runs the handlers of a thing."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
import itertools
import logging
import math
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later, async_track_time_interval

from ..const import CONF_RUNNER, DOMAIN
from ..issues import Issue, ThingIssues
from ..runner.client import (
    RunnerBusyError,
    RunnerError,
    RunnerInfo,
    RunnerTokenError,
    RunnerUnreachableError,
    RunnerVersionError,
)
from .runners import Place, RunnerKind, RunnerSettings

if TYPE_CHECKING:
    # It imports this.
    from ..coordinator import AwsIotJobsConfigEntry

_LOGGER = logging.getLogger(__name__)

LOOK_INTERVAL: Final = timedelta(minutes=1)
LOOK_AGAIN_SECONDS: Final = 20
"""When to look again at a runner that did not answer: it may just be starting."""
SILENCES: Final = 2
"""How many times in a row a runner must be silent to be told of."""
HANDLERS_SHOWN: Final = 10

_RUNNER_PROBLEMS: dict[type[RunnerError], str] = {
    RunnerUnreachableError: "unreachable",
    RunnerTokenError: "token_refused",
    RunnerVersionError: "version",
}


class _Newest:
    """When what is known of a matter was seen: what was seen earlier is no news of it."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._seen_at: float = 0

    def is_news(self, moment: float) -> bool:
        """Tell whether what was seen at a moment is the newest; then it is known."""
        if moment < self._seen_at:
            return False
        self._seen_at = moment
        return True


class RunnerWatch:
    """Looks whether a thing's handlers can be run, and shows repair issues when not.

    Jobs wait meanwhile by themselves. Looks may overlap, and whoever uses the runner tells
    of problems meanwhile: of the runner and of its handlers, what was seen last counts,
    whichever answer comes first. A look sees what there is when it begins.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: AwsIotJobsConfigEntry,
        settings: RunnerSettings,
        issues: ThingIssues,
    ) -> None:
        """Prepare to look after the runner of these settings."""
        self._hass = hass
        self._entry = entry
        self._settings = settings
        self._issues = issues
        self._place: Place | None = None
        self._silences = 0
        self._problem: str | None = None
        self._problem_key: str | None = None
        self._listeners: list[Callable[[], None]] = []
        self._app_version: str | None = None
        self._handler_problems: Mapping[str, str] = {}
        self._moments = itertools.count(1)
        self._runner_seen = _Newest()
        self._handlers_seen = _Newest()

    @property
    def problem(self) -> str | None:
        """What is the matter with the runner now, in words."""
        return self._problem

    @property
    def problem_key(self) -> str | None:
        """The key of the texts of its repair issue, shown or not yet."""
        return self._problem_key

    @callback
    def async_subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have told when `problem` or `app_version` is another one; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def handler_problems(self) -> Mapping[str, str]:
        """The handlers that may not run, each with the reason, as was seen last."""
        return self._handler_problems

    @property
    def app_version(self) -> str | None:
        """The version of the app, where handlers run in it and it has said so."""
        return self._app_version

    @property
    def settings(self) -> RunnerSettings:
        """Where the handlers run."""
        return self._settings

    @property
    def place(self) -> Place:
        """What is looked after."""
        assert self._place is not None
        return self._place

    @callback
    def async_start(self, place: Place) -> None:
        """Look at a place at once; at one elsewhere again and again, until unloaded."""
        self._place = place
        self._entry.async_on_unload(self._async_stop)
        if self._settings.kind is not RunnerKind.LOCAL:
            self._entry.async_on_unload(
                async_track_time_interval(
                    self._hass, self._async_look_at, LOOK_INTERVAL
                )
            )
        self.async_look_soon()

    @callback
    def async_look_soon(self) -> None:
        """Look without being waited for."""
        self._entry.async_create_background_task(
            self._hass, self.async_look(), f"{DOMAIN} {self._entry.title} look"
        )

    async def async_look(self) -> None:
        """Look whether the runner answers, and whether its handlers may be run."""
        begun_at = next(self._moments)
        try:
            info = await self.place.async_info()
            handlers = await self.place.async_handlers()
        except RunnerError as err:
            self._take(begun_at, err)
            return
        self._take(begun_at, None)
        if self._handlers_seen.is_news(begun_at):
            if info is not None:
                self._take_info(info)
            self._take_handlers(handlers)

    @callback
    def async_take_problem(self, problem: RunnerError | None) -> None:
        """Take what is in the way of using the runner, or that nothing is."""
        self._take(next(self._moments), problem)

    def _take(self, moment: float, problem: RunnerError | None) -> None:
        if not self._runner_seen.is_news(moment):
            return
        if problem is None:
            if self._problem is not None:
                _LOGGER.info("The runner of %s can be used again", self._entry.title)
            self._set_problem(None, None)
            self._silences = 0
            self._issues.async_clear(Issue.RUNNER)
        elif not isinstance(problem, RunnerBusyError):
            self._take_trouble(problem)

    def _take_trouble(self, problem: RunnerError) -> None:
        if self._problem is None:
            _LOGGER.info("%s: %s", self._entry.title, problem)
        is_app = self._settings.kind is RunnerKind.APP
        key = f"{'app' if is_app else 'runner'}_{_RUNNER_PROBLEMS[type(problem)]}"
        self._set_problem(str(problem), key)
        if isinstance(problem, RunnerUnreachableError):
            self._silences += 1
            if self._silences < SILENCES:
                self._entry.async_on_unload(
                    async_call_later(
                        self._hass, LOOK_AGAIN_SECONDS, self._async_look_at
                    )
                )
                return
        self._issues.async_show(
            Issue.RUNNER,
            key,
            # Starting the app tells the token anew; another version has to be installed.
            fixable=is_app and not isinstance(problem, RunnerVersionError),
            severity=ir.IssueSeverity.ERROR,
            problem=str(problem),
        )

    def _set_problem(self, problem: str | None, key: str | None) -> None:
        if problem != self._problem:
            self._problem, self._problem_key = problem, key
            self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _take_info(self, info: RunnerInfo) -> None:
        """Have what a runner says of itself used from now on, when it is news."""
        if info.app_version != self._app_version:
            self._app_version = info.app_version
            self._tell()
        settings = self._settings.at(self._settings.address, info)
        if settings != self._settings:
            self._settings = settings
            self._hass.config_entries.async_update_entry(
                self._entry,
                data={**self._entry.data, CONF_RUNNER: settings.as_entry_data()},
            )
            self._hass.config_entries.async_schedule_reload(self._entry.entry_id)

    def _take_handlers(self, handlers: Mapping[str, str | None]) -> None:
        problems = {name: problem for name, problem in handlers.items() if problem}
        self._handler_problems = problems
        if not problems:
            self._issues.async_clear(Issue.HANDLERS)
            return
        shown = sorted(problems)[:HANDLERS_SHOWN]
        more = [f"+{len(problems) - len(shown)}"] if len(problems) > len(shown) else []
        self._issues.async_show(
            Issue.HANDLERS,
            "handler_permissions",
            fixable=True,
            handlers=", ".join([*shown, *more]),
            problem=problems[shown[0]],
        )

    async def _async_look_at(self, _: datetime) -> None:
        await self.async_look()

    @callback
    def _async_stop(self) -> None:
        # What a look that is under way finds is of no interest any more.
        for seen in (self._runner_seen, self._handlers_seen):
            seen.is_news(math.inf)
        self._issues.async_clear(Issue.RUNNER, Issue.HANDLERS)
