"""A step that sees that Home Assistant is well after a change."""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
import math
import time
from typing import Any, Final, Self, override

from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntryState
from homeassistant.const import (
    EVENT_COMPONENT_LOADED,
    EVENT_STATE_CHANGED,
    STATE_UNAVAILABLE,
    __version__ as HOME_ASSISTANT_VERSION,
)
from homeassistant.core import EventStateChangedData, HomeAssistant, State, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.importlib import async_import_module
from homeassistant.helpers.recorder import DATA_INSTANCE

from ..jobs.calls import CheckCall
from ..jobs.home_steps import Attempt, StepFailedError
from .check_url import async_look_at_url
from .finding import Finding
from .started import async_begin_when_started, async_until_started
from .step import HomeStep

LEAST_SECONDS: Final = 60.0
"""How much of its time a check has at least after a restart in its middle: what has just
started needs some of it."""
PAUSE_SECONDS = 1.0
"""How long nothing is looked at after a look, whatever changes."""
INTERVAL_SECONDS: Final = 5.0
"""How long at most: what answers again does not say so."""

_NAMED: Final = 5
"""How many of many are named."""
_IN_ERROR: Final = frozenset(
    {
        ConfigEntryState.SETUP_ERROR,
        ConfigEntryState.SETUP_RETRY,
        ConfigEntryState.MIGRATION_ERROR,
        ConfigEntryState.FAILED_UNLOAD,
        # Its integration could not be set up at all.
        ConfigEntryState.NOT_LOADED,
    }
)
_UNREADY: Final = frozenset(ConfigEntryState) - {ConfigEntryState.LOADED}
_NO_RECORDER: Final = Finding.not_held("recorder", "it is not loaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How it was before the job, as far as the call asks, and until when all has to hold.

    `entries` are those in error, by id. `available` is the number of available entities,
    `unavailable` are the others. `until` is a time of the clock, which goes on over a
    restart.
    """

    entries: Collection[str] = ()
    available: int = 0
    unavailable: Collection[str] = ()
    until: float | None = None

    @classmethod
    def of(cls, kept: dict[str, Any] | None) -> Self:
        """Return what was kept, or nothing."""
        return cls(**kept or {})

    def seconds_left(self, within: float) -> float:
        """Return how long it may take that all holds."""
        if self.until is None:
            return within
        left = self.until - time.time()
        return min(within, max(left, LEAST_SECONDS))


class CheckStep(HomeStep[CheckCall]):
    """Looks until all holds, or the time is over."""

    @override
    async def before(self, call: CheckCall) -> Any:
        """Return what is to be no worse afterwards."""
        if not call.entries and call.tolerance is None:
            return None
        # What is not set up yet is neither in error nor unavailable.
        await async_until_started(self._hass)
        known = Known()
        if call.entries:
            known = replace(known, entries=tuple(_entries(self._hass, _IN_ERROR)))
        if call.tolerance is not None:
            available, unavailable = _entities(self._hass)
            known = replace(known, available=available, unavailable=unavailable)
        return asdict(known)

    @override
    async def problem(self, call: CheckCall) -> str | None:
        """Return what no waiting brings."""
        if call.recorder and DATA_INSTANCE not in self._hass.data:
            return _NO_RECORDER.text
        return None

    @override
    async def run(self, call: CheckCall, attempt: Attempt) -> None:
        """Look until all holds; name what does not when the time is over."""
        await async_begin_when_started(self._hass, attempt)
        known = Known.of(attempt.known)
        seconds = known.seconds_left(call.within)
        if known.until is None:
            until = time.time() + seconds
            await attempt.keep(asdict(replace(known, until=until)))
        findings = await self._async_look_until_all_holds(call, known, seconds)
        for finding in findings:
            if finding.holds:
                attempt.write(finding.text)
        if failed := [finding.text for finding in findings if not finding.holds]:
            raise StepFailedError("; ".join(failed))

    async def _async_look_until_all_holds(
        self, call: CheckCall, known: Known, seconds: float
    ) -> list[Finding]:
        """Return what is found in the end; there is one look at least."""
        loop = self._hass.loop
        ends_at = loop.time() + seconds
        with _changes(self._hass) as changed:
            while True:
                is_over = loop.time() >= ends_at
                changed.clear()
                findings = [*self._look(call, known)]
                # Who is asked is so when all else holds, or to tell of it in the end.
                if is_over or _all_hold(findings):
                    findings += await self._async_ask(call)
                if is_over or _all_hold(findings):
                    return findings
                await asyncio.sleep(min(PAUSE_SECONDS, ends_at - loop.time()))
                with suppress(TimeoutError):
                    left = min(INTERVAL_SECONDS, ends_at - loop.time())
                    async with asyncio.timeout(left):
                        await changed.wait()

    def _look(self, call: CheckCall, known: Known) -> Iterator[Finding]:
        """Yield what Home Assistant knows of itself."""
        if call.version:
            yield _version(call.version)
        if call.components:
            yield _components(call.components, self._hass.config.components)
        if call.entries:
            yield self._look_at_entries(known)
        if call.tolerance is not None:
            yield self._look_at_entities(known, call.tolerance)

    async def _async_ask(self, call: CheckCall) -> list[Finding]:
        """Return what is found out by asking."""
        asked = []
        if call.recorder:
            asked.append(self._async_look_at_recorder())
        if call.url:
            asked.append(async_look_at_url(self._hass, call.url))
        return await asyncio.gather(*asked)

    def _look_at_entries(self, known: Known) -> Finding:
        unready = [
            told
            for entry_id, told in _entries(self._hass, _UNREADY).items()
            if entry_id not in known.entries
        ]
        if unready:
            return Finding.not_held("entries", _some(unready))
        return Finding.held("entries", "none is in error that was not before the job")

    def _look_at_entities(self, known: Known, tolerance: float) -> Finding:
        available, unavailable = _entities(self._hass)
        least = math.ceil(known.available * (100 - tolerance) / 100)
        found = f"{available} are available, of {known.available} before the job"
        if available >= least:
            return Finding.held("availableEntities", found)
        found = f"{found}, expected at least {least}"
        if lost := sorted({*unavailable} - {*known.unavailable}):
            found = f"{found}; not available any more: {_some(lost)}"
        return Finding.not_held("availableEntities", found)

    async def _async_look_at_recorder(self) -> Finding:
        if DATA_INSTANCE not in self._hass.data:
            return _NO_RECORDER
        # It takes libraries that only the recorder needs.
        name = f"{__package__}.check_recorder"
        module = await async_import_module(self._hass, name)
        finding: Finding = await module.async_look_at_recorder(self._hass)
        return finding


def _version(expected: str) -> Finding:
    found = HOME_ASSISTANT_VERSION
    if found != expected:
        return Finding.not_held("version", f"found {found}, expected {expected}")
    return Finding.held("version", found)


def _components(expected: Collection[str], loaded: Collection[str]) -> Finding:
    if missing := [name for name in expected if name not in loaded]:
        return Finding.not_held("components", f"not loaded: {', '.join(missing)}")
    return Finding.held("components", f"loaded: {', '.join(expected)}")


def _entries(
    hass: HomeAssistant, states: Collection[ConfigEntryState]
) -> dict[str, str]:
    """Return the entries in some states that are to be loaded: by id, in words."""
    return {
        entry.entry_id: (
            f"{entry.title!r} ({entry.domain}) is in state {entry.state.value}"
        )
        for entry in hass.config_entries.async_entries(
            include_ignore=False, include_disabled=False
        )
        if entry.state in states
    }


def _entities(hass: HomeAssistant) -> tuple[int, tuple[str, ...]]:
    """Return how many entities are available, and which are not.

    That one's state is unknown is no fault of its. One that was removed, or is disabled,
    has no state, and so is not available.
    """
    states = hass.states.async_all()
    unavailable = tuple(state.entity_id for state in states if not _is_available(state))
    return len(states) - len(unavailable), unavailable


def _is_available(state: State | None) -> bool:
    return state is not None and state.state != STATE_UNAVAILABLE


def _some(names: list[str]) -> str:
    """Return a list in words, of which not all are named where there are many."""
    more = len(names) - _NAMED
    return ", ".join([*names[:_NAMED], *([f"{more} more"] if more > 0 else [])])


def _all_hold(findings: Iterable[Finding]) -> bool:
    return all(finding.holds for finding in findings)


@contextmanager
def _changes(hass: HomeAssistant) -> Iterator[asyncio.Event]:
    """Provide what is set when something changes that may let all hold."""
    changed = asyncio.Event()

    @callback
    def note(*_: object) -> None:
        changed.set()

    @callback
    def is_of_availability(data: EventStateChangedData) -> bool:
        return _is_available(data["old_state"]) != _is_available(data["new_state"])

    unsubscribe = (
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, note),
        hass.bus.async_listen(EVENT_COMPONENT_LOADED, note),
        hass.bus.async_listen(EVENT_STATE_CHANGED, note, is_of_availability),
    )
    try:
        yield changed
    finally:
        for end in unsubscribe:
            end()


STEP = CheckStep
