"""What quality_scale.yaml claims, held to what can be seen of it in code and documentation.

Home Assistant does not look at the file of a custom integration: nobody else does.
"""

import ast
from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
import tomllib
from typing import Any

import pytest

from custom_components import aws_iot_jobs
from homeassistant.const import Platform
from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(aws_iot_jobs.__file__).parent
REPOSITORY = ROOT.parents[1]
PLATFORMS = [
    path for path in sorted(ROOT.glob("*.py")) if path.stem in {*map(str, Platform)}
]

TIERS = {
    "bronze": {
        "action-setup",
        "appropriate-polling",
        "brands",
        "common-modules",
        "config-flow",
        "config-flow-test-coverage",
        "dependency-transparency",
        "docs-actions",
        "docs-conditions",
        "docs-high-level-description",
        "docs-installation-instructions",
        "docs-removal-instructions",
        "docs-triggers",
        "entity-event-setup",
        "entity-unique-id",
        "has-entity-name",
        "runtime-data",
        "test-before-configure",
        "test-before-setup",
        "unique-config-entry",
    },
    "silver": {
        "action-exceptions",
        "config-entry-unloading",
        "docs-configuration-parameters",
        "docs-installation-parameters",
        "entity-unavailable",
        "integration-owner",
        "log-when-unavailable",
        "parallel-updates",
        "reauthentication-flow",
        "test-coverage",
    },
    "gold": {
        "devices",
        "diagnostics",
        "discovery",
        "discovery-update-info",
        "docs-data-update",
        "docs-examples",
        "docs-known-limitations",
        "docs-supported-devices",
        "docs-supported-functions",
        "docs-troubleshooting",
        "docs-use-cases",
        "dynamic-devices",
        "entity-category",
        "entity-device-class",
        "entity-disabled-by-default",
        "entity-translations",
        "exception-translations",
        "icon-translations",
        "reconfiguration-flow",
        "repair-issues",
        "stale-devices",
    },
    "platinum": {"async-dependency", "inject-websession", "strict-typing"},
}


def _read(*patterns: str, root: Path = ROOT) -> str:
    return "\n".join(
        path.read_text() for pattern in patterns for path in sorted(root.glob(pattern))
    )


CODE = _read("*.py", "places/*.py", "steps/*.py")
FLOW = _read("*flow*.py")
README = (REPOSITORY / "README.md").read_text()
DOCUMENTATION = README + _read("docs/*.md", root=REPOSITORY)
CONFIGURATION = _read("docs/configuration.md", root=REPOSITORY)
WORDS: dict[str, Any] = json.loads((ROOT / "translations" / "en.json").read_text())


@pytest.fixture(scope="module")
def rules() -> Mapping[str, Any]:
    """Return what is claimed of each rule."""
    claimed: Mapping[str, Any] = load_yaml_dict(ROOT / "quality_scale.yaml")["rules"]
    return claimed


def _status(rules: Mapping[str, Any], name: str) -> str:
    rule = rules[name]
    status: str = rule if isinstance(rule, str) else rule["status"]
    return status


def test_all_rules_are_answered(rules: Mapping[str, Any]) -> None:
    """Each rule is done, or there is a word about why not."""
    assert rules.keys() == set().union(*TIERS.values())
    for name, rule in rules.items():
        if rule != "done":
            assert rule["status"] in {"done", "exempt", "todo"}, name
            assert rule["comment"], name


def test_dependency_is_not_called_asynchronous(rules: Mapping[str, Any]) -> None:
    """Awscrt calls back from a thread of its own; that is wrapped, in one module."""
    assert _status(rules, "async-dependency") != "done"
    users = {
        path.parent.name
        for path in ROOT.rglob("*.py")
        if re.search(r"^(?:from|import) aws(?:crt|iot)", path.read_text(), re.MULTILINE)
    }
    assert users == {"aws_iot"}


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("services.yaml", ["action-setup", "action-exceptions", "docs-actions"]),
        ("triggers.yaml", ["docs-triggers"]),
        ("conditions.yaml", ["docs-conditions"]),
    ],
)
def test_rules_of_automations(
    rules: Mapping[str, Any], file: str, names: list[str]
) -> None:
    """What there is for automations is documented, and its rules are not left out."""
    path = ROOT / file
    content = load_yaml_dict(path) if path.exists() else {}
    # What begins with a dot is shared by those that are described.
    described = [name for name in content if not name.startswith(".")]
    for name in names:
        assert _status(rules, name) == ("done" if described else "exempt"), name
    for name in described:
        assert re.search(rf"\b{name}\b", DOCUMENTATION), name
    if described and file == "services.yaml":
        assert "async def async_setup(" in (ROOT / "__init__.py").read_text()


def test_entities_that_few_need_are_off(rules: Mapping[str, Any]) -> None:
    """Those are off until somebody wants them, or there are none."""
    is_off = "entity_registry_enabled_default=False" in CODE
    assert _status(rules, "entity-disabled-by-default") == (
        "done" if is_off else "exempt"
    )


HOW: dict[str, bool] = {
    "brands": all(
        (ROOT / "brand" / f"{name}.png").exists() for name in ("icon", "logo")
    ),
    "common-modules": all(
        (ROOT / name).exists() for name in ("coordinator.py", "entity.py")
    ),
    "config-entry-unloading": "async def async_unload_entry(" in CODE,
    "config-flow": '"config_flow": true' in (ROOT / "manifest.json").read_text(),
    "devices": "DeviceInfo(" in CODE,
    "diagnostics": all(
        f"async def async_get_{what}_diagnostics(" in CODE
        for what in ("config_entry", "device")
    ),
    "discovery": "async def async_step_hassio(" in FLOW,
    "entity-category": "EntityCategory." in CODE,
    "entity-device-class": "DeviceClass." in CODE,
    "entity-unique-id": "_attr_unique_id = " in CODE,
    "exception-translations": bool(WORDS["exceptions"])
    and not re.search(
        r"raise (?:ServiceValidation|HomeAssistant|ConfigEntry\w+)Error\(\s*f?\"", CODE
    ),
    "has-entity-name": "_attr_has_entity_name = True" in CODE,
    "inject-websession": "async_get_clientsession(hass)" in CODE
    and "ClientSession(" not in CODE,
    "integration-owner": '"codeowners": ["@' in (ROOT / "manifest.json").read_text(),
    "parallel-updates": all(
        "\nPARALLEL_UPDATES = " in path.read_text() for path in PLATFORMS
    ),
    "reauthentication-flow": "async def async_step_reauth(" in FLOW,
    "reconfiguration-flow": "async def async_step_reconfigure(" in FLOW,
    "repair-issues": bool(WORDS["issues"]) and "async_create_fix_flow(" in CODE,
    "runtime-data": "entry.runtime_data = " in CODE
    and not re.search(r"hass\.data\[DOMAIN\]", CODE),
    "strict-typing": tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"][
        "mypy"
    ]["strict"],
    "unique-config-entry": "self._abort_if_unique_id_configured(" in FLOW,
    # Of the documentation
    "docs-data-update": "\n## Data updates\n" in DOCUMENTATION,
    "docs-examples": "```yaml" in README.partition("\n## Automations\n")[2],
    "docs-installation-instructions": "\n## Install\n" in README
    and "\n## Installation\n" in DOCUMENTATION,
    "docs-known-limitations": "\n## Known limitations\n" in DOCUMENTATION,
    "docs-removal-instructions": "\n## Removal\n" in DOCUMENTATION,
    "docs-supported-functions": "\n# Entities and events\n" in DOCUMENTATION,
    "docs-troubleshooting": "\n# Troubleshooting\n" in DOCUMENTATION,
    "docs-use-cases": "\n## Use cases\n" in README,
}


@pytest.mark.parametrize("name", HOW)
def test_rules_that_are_done(rules: Mapping[str, Any], name: str) -> None:
    """What is said to be done can be seen."""
    assert _status(rules, name) == "done"
    assert HOW[name]


@pytest.mark.parametrize(
    ("rule", "flow", "steps"),
    [
        (
            "docs-installation-parameters",
            "config",
            {"certificate", "claim", "local", "address"},
        ),
        ("docs-configuration-parameters", "options", {"init"}),
    ],
)
def test_fields_are_documented(
    rules: Mapping[str, Any], rule: str, flow: str, steps: set[str]
) -> None:
    """Each field that is asked for stands in the documentation, by its name."""
    assert _status(rules, rule) == "done"
    for step in steps:
        for label in _fields(WORDS[flow]["step"][step]):
            # Behind the name of a field for a file stands that of the file.
            name = label.partition(" {")[0]
            assert name.lower() in CONFIGURATION.lower(), name


def test_entities_are_documented(rules: Mapping[str, Any]) -> None:
    """Each entity stands in the documentation, by its name."""
    assert _status(rules, "docs-supported-functions") == "done"
    for entities in WORDS["entity"].values():
        for entity in entities.values():
            name = entity["name"]
            assert re.search(
                rf"^(\| |\*\*){name}( \||\*\*)", DOCUMENTATION, re.MULTILINE
            ), name


@pytest.mark.parametrize("path", PLATFORMS, ids=lambda path: path.stem)
def test_entities_are_ours(path: Path) -> None:
    """Each entity is one of a thing's, with its unique ID, its device and its name."""
    platform = f"{path.stem.title().replace('_', '')}Entity"
    found = [
        bases
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and platform in (bases := {ast.unparse(base) for base in node.bases})
    ]
    assert found
    assert all("JobsEntity" in bases for bases in found)


def _fields(step: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of a step's fields, those in its sections too."""
    yield from step.get("data", {}).values()
    for section in step.get("sections", {}).values():
        yield from section["data"].values()
