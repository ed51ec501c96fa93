"""Which of the entities that an automation is aimed at are those that tell of jobs."""

from collections.abc import Set as AbstractSet

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import EntityDescription

from .const import DOMAIN


def entities_of(
    hass: HomeAssistant, description: EntityDescription, entity_ids: AbstractSet[str]
) -> set[str]:
    """Return those entities that are of a description, of whichever thing.

    A device or an area has others of the same domain, whose states mean something else.
    """
    registry = er.async_get(hass)
    return {
        entity_id
        for entity_id in entity_ids
        if (entry := registry.async_get(entity_id)) is not None
        and entry.platform == DOMAIN
        and entry.translation_key == description.translation_key
    }
