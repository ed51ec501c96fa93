"""One run: what all benches share, and what each of them has found."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
import random

from .actors import Player, bare_agents, control, floor
from .home import Home, home_assistant
from .peer import peer
from .probe_client import ProbeClient
from .results import FLOORS, Actor, Results
from .stage import Stage

SILENCE_SECONDS = 0.12
"""Before each job, so that nothing of the last one is on its way."""


@dataclass(kw_only=True)
class Run:
    """What is set up once and used by all benches; it ends with `exits`."""

    stage: Stage
    quick: bool
    exits: AsyncExitStack
    results: Results
    peer_command: str | None = None
    _players: dict[tuple[Actor, bool], Player] = field(default_factory=dict)
    _home: Home | None = None
    _control: ProbeClient | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def few(self, quick: int, full: int) -> int:
        """Return how often something is done."""
        return quick if self.quick else full

    async def home(self) -> Home:
        """Return the Home Assistant that all benches share."""
        async with self._one_at_a_time:
            if self._home is None:
                directory = self.stage.directory / "home"
                self._home = await self.exits.enter_async_context(
                    home_assistant(directory)
                )
            return self._home

    async def control(self) -> ProbeClient:
        """Return an event loop that has nothing to do."""
        if self._control is None:
            directory = self.stage.directory / "control"
            self._control = await self.exits.enter_async_context(control(directory))
        return self._control

    async def players(self, *, far: bool = False) -> list[Player]:
        """Return all who run jobs, near or beyond a long way."""
        starting = [self.player(actor, far=far) for actor in self.actors]
        return list(await asyncio.gather(*starting))

    @property
    def actors(self) -> list[Actor]:
        """Who takes part."""
        return [
            actor for actor in Actor if actor is not Actor.PEER or self.peer_command
        ]

    async def player(self, actor: Actor, *, far: bool = False) -> Player:
        """Return who is measured; it is started when it is needed first."""
        if (actor, far) not in self._players:
            self._players[actor, far] = await self._start(actor, far=far)
        return self._players[actor, far]

    async def _start(self, actor: Actor, *, far: bool) -> Player:
        thing = thing_name(actor, far=far)
        port = self.stage.far.port if far else self.stage.broker.port
        enter = self.exits.enter_async_context
        if actor is Actor.HOME_ASSISTANT:
            home = await self.home()
            await home.add(self.stage, thing, port)
            return home.player(thing)
        if actor is Actor.BARE:
            return (await enter(bare_agents(self.stage, [thing], port)))[0]
        if actor in FLOORS:
            return await enter(floor(self.stage, actor, thing, port))
        assert self.peer_command is not None
        return await enter(peer(self.stage, self.peer_command, thing, port))


def thing_name(actor: Actor, *, far: bool = False) -> str:
    """Return the name of who is measured, as a thing."""
    return f"{actor}-far" if far else str(actor)


def shuffled[T](values: Sequence[T]) -> list[T]:
    """Return the same in another order."""
    return random.sample(values, len(values))
