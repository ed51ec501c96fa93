"""Looks at a runner that overlap: what was found later counts."""

import asyncio
from typing import cast

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.aws_iot_jobs.issues import ThingIssues
from custom_components.aws_iot_jobs.places.runners import (
    Place,
    RunnerKind,
    RunnerSettings,
)
from custom_components.aws_iot_jobs.places.watch import RunnerWatch
from custom_components.aws_iot_jobs.runner.client import (
    RunnerInfo,
    RunnerTokenError,
    RunnerUnreachableError,
)
from homeassistant.core import HomeAssistant

from .repairs import issues

type Handlers = dict[str, str | None]

REFUSED = RunnerTokenError("the token is not accepted")
SILENT = RunnerUnreachableError("nobody answers")


class SlowPlace:
    """A place that answers looks when a test does, in any order."""

    def __init__(self) -> None:
        """Begin without looks."""
        self.looks: list[asyncio.Future[Handlers]] = []

    async def async_info(self) -> RunnerInfo | None:
        """Say nothing."""
        return None

    async def async_handlers(self) -> Handlers:
        """Wait for the test's answer."""
        self.looks.append(asyncio.get_running_loop().create_future())
        return await self.looks[-1]


class Watched:
    """A runner that is looked after. Each look is answered by `answer`."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """Begin to look."""
        self.watch = RunnerWatch(
            hass,
            entry,
            RunnerSettings(kind=RunnerKind.ADDRESS),
            ThingIssues(hass, entry),
        )
        self._hass = hass
        self._place = SlowPlace()
        self._looks: list[asyncio.Task[None]] = []
        # The first look is of the start, and nobody waits for it.
        self.watch.async_start(cast(Place, self._place))

    def look(self) -> int:
        """Look, and return the number of the look."""
        task = self._hass.async_create_task(self.watch.async_look())
        self._looks.append(task)
        return len(self._looks)

    async def answer(self, look: int, answer: Handlers | Exception) -> None:
        """Answer a look, and wait for its end."""
        future = self._place.looks[look]
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        await self._looks[look - 1]

    async def answer_the_first(self) -> None:
        """Answer the look of the start: all is well."""
        self._place.looks[0].set_result({})
        await self._hass.async_block_till_done(wait_background_tasks=True)


@pytest.fixture
async def watched(hass: HomeAssistant, entry: MockConfigEntry) -> Watched:
    """Look after a runner."""
    watched = Watched(hass, entry)
    await watched.answer_the_first()
    return watched


def _shown(hass: HomeAssistant) -> list[str | None]:
    return [issue.translation_key for issue in issues(hass)]


async def test_older_look_does_not_hide_what_a_newer_one_found(
    hass: HomeAssistant, watched: Watched
) -> None:
    """A good answer from before the fault comes after it."""
    older, newer = watched.look(), watched.look()
    await watched.answer(newer, REFUSED)
    assert _shown(hass) == ["runner_token_refused"]
    await watched.answer(older, {"hello.sh": None})
    assert _shown(hass) == ["runner_token_refused"]
    assert watched.watch.problem == str(REFUSED)
    await watched.answer(watched.look(), {})
    assert not issues(hass)
    assert watched.watch.problem is None


async def test_older_look_does_not_bring_back_what_is_mended(
    hass: HomeAssistant, watched: Watched
) -> None:
    """A fault from before the repair comes after it, of the runner or of a handler."""
    older, old_of_handlers, newer = watched.look(), watched.look(), watched.look()
    await watched.answer(newer, {})
    await watched.answer(older, REFUSED)
    await watched.answer(old_of_handlers, {"hello.sh": "its mode is 755"})
    assert not issues(hass)
    assert not watched.watch.handler_problems
    assert watched.watch.problem is None


async def test_older_look_does_not_hide_a_problem_that_was_told_meanwhile(
    hass: HomeAssistant, watched: Watched
) -> None:
    """Who runs a step learns of a fault while a look is under way."""
    look = watched.look()
    watched.watch.async_take_problem(REFUSED)
    await watched.answer(look, {"hello.sh": None})
    assert _shown(hass) == ["runner_token_refused"]


@pytest.mark.parametrize("told", [None, REFUSED])
async def test_what_is_told_of_the_runner_does_not_hide_what_a_look_finds_of_handlers(
    hass: HomeAssistant, watched: Watched, told: RunnerTokenError | None
) -> None:
    """Whether a runner answers says nothing of its handlers: the look's answer counts."""
    look, later = watched.look(), watched.look()
    watched.watch.async_take_problem(told)
    await watched.answer(look, {"hello.sh": "its mode is 755"})
    assert "handler_permissions" in _shown(hass)
    watched.watch.async_take_problem(told)
    await watched.answer(later, {})
    assert "handler_permissions" not in _shown(hass)


async def test_looks_in_their_order(hass: HomeAssistant, watched: Watched) -> None:
    """Each answer counts when it comes in its turn."""
    looks = [watched.look() for _ in range(3)]
    answers: list[Handlers | Exception] = [
        REFUSED,
        {"hello.sh": "its mode is 755"},
        {},
    ]
    expected = [["runner_token_refused"], ["handler_permissions"], []]
    for look, answer, after in zip(looks, answers, expected, strict=True):
        await watched.answer(look, answer)
        assert _shown(hass) == after


async def test_look_that_ends_after_its_thing(
    hass: HomeAssistant, entry: MockConfigEntry, watched: Watched
) -> None:
    """What is found of a thing that is not set up any more is not shown."""
    look = watched.look()
    await entry._async_process_on_unload(hass)
    await watched.answer(look, REFUSED)
    watched.watch.async_take_problem(SILENT)
    watched.watch.async_take_problem(SILENT)
    assert not issues(hass)
