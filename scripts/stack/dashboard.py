"""The demo's dashboard: the view that the documentation has to be copied."""

from pathlib import Path
import re
from typing import Any

from homeassistant.util.yaml import parse_yaml

from .home_assistant import HomeAssistant
from .paths import ROOT

URL_PATH = "aws-iot-jobs"
TITLE = "AWS IoT Jobs"

_PAGE = ROOT / "docs" / "dashboard.md"
_VIEW = re.compile(r"^```yaml\n(title: .*?)^```$", re.MULTILINE | re.DOTALL)
_THING = "my_home"


async def add_dashboard(home: HomeAssistant, event_entity_id: str) -> str:
    """Add a dashboard for the thing of an event entity, and have the page open with it.

    Returns its address.
    """
    view = _view(event_entity_id.removeprefix("event.").removesuffix("_job"))
    await home.call(
        "lovelace/dashboards/create",
        url_path=URL_PATH,
        title=TITLE,
        icon=view["icon"],
        require_admin=False,
        show_in_sidebar=True,
    )
    await home.call("lovelace/config/save", url_path=URL_PATH, config={"views": [view]})
    await home.call(
        "frontend/set_user_data", key="core", value={"default_panel": URL_PATH}
    )
    return f"{home.url}/{URL_PATH}/{view['path']}"


def _view(thing: str, page: Path = _PAGE) -> dict[str, Any]:
    """Return the view, with the entities of a thing."""
    found = _VIEW.search(page.read_text())
    assert found is not None, f"{page} has no view"
    view = parse_yaml(found[1].replace(_THING, thing))
    assert isinstance(view, dict)
    return view
