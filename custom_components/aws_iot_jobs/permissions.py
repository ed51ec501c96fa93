"""What users may do with a thing: what they may do with any of its entities."""

from homeassistant.auth.models import User
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .coordinator import AwsIotJobsConfigEntry


@callback
def async_may(
    hass: HomeAssistant, user: User, entry: AwsIotJobsConfigEntry, permission: str
) -> bool:
    """Tell whether a user has a permission for the thing of an entry."""
    if user.is_admin:
        return True
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return any(
        user.permissions.check_entity(entity.entity_id, permission)
        for entity in entities
    )
