"""The rules that Home Assistant's hassfest and HACS have for a custom integration.

Neither can be installed here. What they look at is the manifest, the files beside the code
and the repository; what there is of each file is looked at, whichever there are.
"""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from string import Formatter
from typing import Any

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
import probatio
import pytest

from custom_components import aws_iot_jobs
from custom_components.aws_iot_jobs.const import DOMAIN
from homeassistant.const import Platform
from homeassistant.helpers import selector
from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(aws_iot_jobs.__file__).parent
REPOSITORY = ROOT.parents[1]
LANGUAGES = sorted((ROOT / "translations").glob("*.json"))
DESCRIBED = ("services", "triggers", "conditions")
"""What an automation is made of, each described in a YAML file of its own."""

_SLUG = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
_ICON = r"mdi:[a-z0-9]+(?:-[a-z0-9]+)*"

MANIFEST_KEYS = {
    "after_dependencies",
    "bluetooth",
    "codeowners",
    "config_flow",
    "dependencies",
    "dhcp",
    "disabled",
    "documentation",
    "domain",
    "homekit",
    "import_executor",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "loggers",
    "mqtt",
    "name",
    "preview_features",
    "quality_scale",
    "requirements",
    "single_config_entry",
    "ssdp",
    "usb",
    "version",
    "zeroconf",
}
TRANSLATED = {
    "conditions",
    "config",
    "config_subentries",
    "device",
    "entity",
    "entity_component",
    "exceptions",
    "issues",
    "options",
    "preview_features",
    "selector",
    "services",
    "system_health",
    "title",
    "triggers",
}
USED_FREELY = {
    *(platform.value for platform in Platform),
    "backup",
    "blueprint",
    "diagnostics",
    "frontend",
    "homeassistant",
    "llm",
    "logbook",
    "persistent_notification",
    "recorder",
    "repairs",
    "system_health",
    "websocket_api",
}
"""Components that are there whenever what imports them is."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of a file; of a key that is there twice, JSON would drop one."""
    content = dict(pairs)
    assert len(content) == len(pairs), [key for key, _ in pairs]
    return content


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        path.read_text(), object_pairs_hook=_without_doubles
    )
    return content


def _yaml(kind: str) -> dict[str, Any]:
    """Return the descriptions of a kind; nothing has none of them."""
    path = ROOT / f"{kind}.yaml"
    found = load_yaml_dict(path) if path.exists() else {}
    # What begins with a dot is there for others to refer to.
    return {name: each for name, each in found.items() if not name.startswith(".")}


def _code() -> str:
    return "".join(path.read_text() for path in sorted(ROOT.rglob("*.py")))


@pytest.fixture
def manifest() -> dict[str, Any]:
    """Return the manifest."""
    return _json(ROOT / "manifest.json")


@pytest.fixture
def icons() -> dict[str, Any]:
    """Return the icons."""
    return _json(ROOT / "icons.json")


@pytest.fixture(params=LANGUAGES, ids=lambda path: path.stem)
def words(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the translations into one language."""
    return _json(request.param)


def test_manifest(manifest: dict[str, Any]) -> None:
    """It has what a custom integration's must have, in order, and nothing unknown."""
    keys = list(manifest)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert set(keys) <= MANIFEST_KEYS
    assert manifest["domain"] == DOMAIN == ROOT.name
    AwesomeVersion(manifest["version"], ensure_strategy=[AwesomeVersionStrategy.SEMVER])
    assert manifest["iot_class"] in {"cloud_polling", "cloud_push"}
    assert manifest["config_flow"] is True
    assert (ROOT / "config_flow.py").exists()
    assert manifest["integration_type"] in {"device", "hub", "service"}
    assert all(owner.startswith("@") for owner in manifest["codeowners"])
    assert manifest["codeowners"]
    for key in ("documentation", "issue_tracker"):
        assert manifest[key].startswith("https://")
        assert "home-assistant.io" not in manifest[key]
    for requirement in manifest["requirements"]:
        assert re.fullmatch(r"[a-z0-9_-]+==[0-9.]+", requirement)


def test_components_that_are_used_are_dependencies(manifest: dict[str, Any]) -> None:
    """What is imported of another component is there when it is."""
    used = set(re.findall(r"homeassistant\.components\.(\w+)", _code()))
    used |= {
        name
        for names in re.findall(
            r"from homeassistant\.components import (\(.*?\)|[^\n]*)",
            _code(),
            re.DOTALL,
        )
        for name in re.findall(r"(?:^|[(,\s])(\w+)(?=\s*(?:,|as\b|\)|$))", names)
    }
    declared = set(manifest["dependencies"]) | set(manifest["after_dependencies"])
    assert used - USED_FREELY <= declared
    assert "hassio" in used


def test_schema_of_the_configuration() -> None:
    """A set-up of the whole integration says that there is nothing in YAML."""
    if "async def async_setup(" in (code := (ROOT / "__init__.py").read_text()):
        assert "CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)" in code


def test_texts(words: dict[str, Any]) -> None:
    """Texts have no markup, no addresses, no quoted placeholders, no space around."""
    assert words.keys() <= TRANSLATED
    for path, text in _texts(words):
        assert text, path
        assert text == text.strip(), path
        assert not re.search(r"(?i)https?://|www\.", text), path
        assert not re.search(r"<[A-Za-z/!][^>]*>", text), path
        assert not re.search(r"'\{\w+\}'", text), path
        for key in path:
            assert re.fullmatch(_SLUG, key), path
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        assert all(name.isidentifier() for name in names), path
        if path[0] == "entity" and "state" in path:
            assert not names, path


def test_forms_describe_fields_that_they_have(words: dict[str, Any]) -> None:
    """Each step has a name for each field that it describes, in its sections too."""
    for flow in ("config", "options"):
        for name, step in words[flow]["step"].items():
            for part in (step, *step.get("sections", {}).values()):
                described = part.get("data_description", {}).keys()
                assert described <= part.get("data", {}).keys(), name
            options = step.get("menu_options", {}).keys()
            assert step.get("menu_option_descriptions", {}).keys() <= options, name


def test_issues_say_what_to_do(words: dict[str, Any]) -> None:
    """Each has a title, and either a description or a flow that has one."""
    for name, issue in words["issues"].items():
        assert issue["title"], name
        assert ("description" in issue) != ("fix_flow" in issue), name
        for step in issue.get("fix_flow", {}).get("step", {}).values():
            assert step["title"], name
            assert "description" in step or "menu_options" in step, name


def test_exceptions_have_messages(words: dict[str, Any]) -> None:
    """Each exception has one text, its message."""
    for name, exception in words["exceptions"].items():
        assert exception.keys() == {"message"}, name


@pytest.mark.parametrize("kind", DESCRIBED)
def test_what_automations_use_is_described(
    words: dict[str, Any], icons: dict[str, Any], kind: str
) -> None:
    """Each has a name, a description and an icon, and so have its fields, in each language."""
    described = _yaml(kind)
    texts = words.get(kind, {})
    assert texts.keys() == described.keys()
    assert icons.get(kind, {}).keys() == described.keys()
    for name, description in described.items():
        text = texts[name]
        assert text["name"], name
        assert text["description"], name
        fields = dict(_fields(description or {}))
        assert text.get("fields", {}).keys() == fields.keys(), name
        assert all(field["name"] for field in text.get("fields", {}).values()), name


@pytest.mark.parametrize("kind", DESCRIBED)
def test_fields_can_be_entered(words: dict[str, Any], kind: str) -> None:
    """Home Assistant takes each target and selector, and each option has a name."""
    for name, description in _yaml(kind).items():
        if target := (description or {}).get("target"):
            selector.TargetSelector.CONFIG_SCHEMA(target)
        for field in dict(_fields(description or {})).values():
            config = selector.validate_selector(field["selector"])
            select = config.get("select") or {}
            if key := select.get("translation_key"):
                named = words["selector"][key]["options"]
                assert set(map(str, select["options"])) <= named.keys(), name


def test_services_that_are_registered_are_described() -> None:
    """What can be called stands in services.yaml, and nothing else does."""
    registers = re.search(
        r"async_register\w*service\b|services\.async_register", _code()
    )
    assert bool(registers) == (ROOT / "services.yaml").exists()
    for kind, module in (("triggers", "trigger"), ("conditions", "condition")):
        described = (ROOT / f"{kind}.yaml").exists()
        assert described == (ROOT / f"{module}.py").exists()


def test_icons(icons: dict[str, Any]) -> None:
    """Each is one of Material Design, and no state has the icon that it has anyway."""
    assert icons.keys() <= {"conditions", "entity", "services", "triggers"}
    for path, icon in _texts(icons):
        assert re.fullmatch(_ICON, icon), path
        for key in path:
            assert re.fullmatch(_SLUG, key), path
    for platform, entities in icons["entity"].items():
        assert platform in set(Platform)
        for name, entity in entities.items():
            assert entity["default"] not in entity.get("state", {}).values(), name


def test_rules_find_faults() -> None:
    """What the rules lean on is Home Assistant's own, and refuses what is wrong."""
    with pytest.raises(probatio.Invalid):
        selector.validate_selector({"no_such_selector": {}})
    with pytest.raises(probatio.Invalid):
        selector.TargetSelector.CONFIG_SCHEMA({"entity": {"no_such_key": "x"}})


def test_hacs(manifest: dict[str, Any]) -> None:
    """HACS finds one integration, with all that it asks for."""
    hacs = _json(REPOSITORY / "hacs.json")
    assert hacs["name"]
    assert hacs.keys() <= {
        "content_in_root",
        "country",
        "filename",
        "hacs",
        "hide_default_branch",
        "homeassistant",
        "name",
        "persistent_directory",
        "render_readme",
        "zip_release",
    }
    assert AwesomeVersion(hacs["homeassistant"]).simple
    assert hacs["filename"].endswith(".zip") == hacs["zip_release"]
    integrations = (REPOSITORY / "custom_components").glob("*/manifest.json")
    assert [path.parent for path in integrations] == [ROOT]
    for key in (
        "codeowners",
        "documentation",
        "domain",
        "issue_tracker",
        "name",
        "version",
    ):
        assert manifest[key]
    for path in (
        ROOT / "brand" / "icon.png",
        REPOSITORY / "README.md",
        REPOSITORY / "LICENSE",
    ):
        assert path.stat().st_size


def _fields(description: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the fields of what is described, those in sections too."""
    for name, field in (description.get("fields") or {}).items():
        if "fields" in field:
            yield from _fields(field)
        else:
            yield name, field


def _texts(
    tree: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _texts(value, (*path, key))
        else:
            yield (*path, key), value


@pytest.mark.parametrize("name", ["config_forms.py", "options_flow.py"])
def test_choices_of_forms_have_words(name: str) -> None:
    """Whatever a selector of the dialogs refers to is there."""
    words = _json(ROOT / "translations" / "en.json")["selector"]
    code = (ROOT / name).read_text()
    assert set(re.findall(r'translation_key="(\w+)"', code)) <= words.keys()
