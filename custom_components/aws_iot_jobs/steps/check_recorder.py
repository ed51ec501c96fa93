"""Whether the recorder really writes."""

import asyncio
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from homeassistant.components.recorder.db_schema import Events
from homeassistant.components.recorder.tasks import SynchronizeTask
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers.recorder import DATA_INSTANCE, session_scope
from homeassistant.util.ulid import ulid_to_bytes

from ..const import DOMAIN
from .finding import LOOK_SECONDS, Finding

EVENT_RECORDER_CHECK: Final = f"{DOMAIN}_recorder_check"
"""An event that means nothing: it is there to be found in the database."""

_NAME: Final = "recorder"


async def async_look_at_recorder(hass: HomeAssistant) -> Finding:
    """Return whether an event of now is in the database, with all that came before it."""
    instance = hass.data[DATA_INSTANCE]
    if not instance.recording or not instance.enabled:
        return Finding.not_held(_NAME, "it is not recording")
    context = Context()
    hass.bus.async_fire(EVENT_RECORDER_CHECK, context=context)
    written: asyncio.Future[None] = hass.loop.create_future()
    # It comes after the event, and is told when that is committed.
    instance.queue_task(SynchronizeTask(written))
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await written
            is_there = await instance.async_add_executor_job(_is_there, hass, context)
    except TimeoutError:
        found = f"it has written nothing within {LOOK_SECONDS:g} s"
        return Finding.not_held(_NAME, found)
    except SQLAlchemyError as err:
        found = f"its database cannot be read: {type(err).__name__}"
        return Finding.not_held(_NAME, found)
    if not is_there:
        return Finding.not_held(_NAME, "an event of now is not in its database")
    return Finding.held(_NAME, "an event of now is in its database")


def _is_there(hass: HomeAssistant, context: Context) -> bool:
    query = select(Events.event_id).where(
        Events.context_id_bin == ulid_to_bytes(context.id)
    )
    with session_scope(hass=hass, read_only=True) as session:
        return session.execute(query).first() is not None
