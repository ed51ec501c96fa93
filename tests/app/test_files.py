"""The app's files, by the rules by which Supervisor and its store read them."""

import json
from pathlib import Path
import re
import struct
from typing import Any

import pytest
import voluptuous as vol

from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(__file__).parents[2]
APP = ROOT / "addon"
MANIFEST = ROOT / "custom_components" / "aws_iot_jobs" / "manifest.json"

_VOLUME = (
    r"^(data|config|ssl|share|media|backup|homeassistant_config|app_config"
    r"|all_app_configs|local_apps)(?::(rw|ro))?$"
)
_OPTION = (
    r"^(?:str|bool|email|url|port|device(?:\(.+\))?|password"
    r"|str\(\d*,\d*\)|int\(-?\d*,-?\d*\)|float\(-?[\d.]*,-?[\d.]*\)"
    r"|int|float|match\(.*\)|list\(.+\))\??$"
)
_WATCHDOG = r"^(?:https?|\[PROTO:\w+\]|tcp)://\[HOST\]:(\[PORT:\d+\]|\d+).*$"
_IMAGE = (
    r"^([a-z0-9][a-z0-9.-]*(:\d+)?/)?[a-z0-9][a-z0-9._/-]*(\{arch\})?[a-z0-9._/-]*$"
)

_OPTION_SCHEMA = vol.Any(vol.Match(_OPTION), [vol.Match(_OPTION)])
_CONFIG_SCHEMA = vol.Schema(
    {
        vol.Required("name"): str,
        vol.Required("version"): vol.Match(r"^\d+\.\d+\.\d+$"),
        vol.Required("slug"): vol.Match(r"^[-_.A-Za-z0-9]+$"),
        vol.Required("description"): str,
        vol.Required("arch"): [vol.In(["aarch64", "amd64"])],
        vol.Optional("url"): vol.Url(),
        vol.Optional("image"): vol.Match(_IMAGE),
        vol.Optional("startup"): vol.In(
            ["initialize", "system", "services", "application", "once"]
        ),
        vol.Optional("init"): bool,
        vol.Optional("homeassistant"): vol.Match(r"^20\d\d\.\d+\.\d+$"),
        vol.Optional("ports"): {
            vol.Match(r"^\d+(/tcp|/udp)?$"): vol.Any(None, vol.Range(1, 65535))
        },
        vol.Optional("ports_description"): {vol.Match(r"^\d+(/tcp|/udp)?$"): str},
        vol.Optional("watchdog"): vol.Match(_WATCHDOG),
        vol.Optional("map"): [vol.Match(_VOLUME)],
        vol.Optional("discovery"): [str],
        vol.Optional("options"): dict,
        vol.Optional("schema"): {str: _OPTION_SCHEMA},
        vol.Optional("timeout"): vol.All(int, vol.Range(10, 300)),
    }
)


def _yaml(path: Path) -> Any:
    return load_yaml_dict(str(path))


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return config.yaml."""
    found: dict[str, Any] = _yaml(APP / "config.yaml")
    return found


def test_config_is_valid(config: dict[str, Any]) -> None:
    """Only keys that are known and not deprecated, with values that are allowed."""
    _CONFIG_SCHEMA(config)


def test_the_versions_are_one(config: dict[str, Any]) -> None:
    """The integration compares the app's with its own."""
    version = json.loads(MANIFEST.read_text())["version"]
    assert config["version"] == version
    assert f"## {version}\n" in (APP / "CHANGELOG.md").read_text()


def test_the_app_asks_for_no_more_than_it_needs(config: dict[str, Any]) -> None:
    """Neither the host's network nor any privilege, nor Home Assistant's files."""
    asking = {"privileged", "full_access", "host_network", "host_pid", "hassio_api"}
    asking |= {"homeassistant_api", "docker_api", "devices", "apparmor", "hassio_role"}
    assert not asking & set(config)
    assert config["map"] == ["app_config:rw", "share:rw"]
    assert config["ports"] == {"8099/tcp": None}


def test_home_assistant_recognizes_the_app(config: dict[str, Any]) -> None:
    """The discovered service is the integration's domain."""
    domain = json.loads(MANIFEST.read_text())["domain"]
    assert config["discovery"] == [domain]
    assert config["slug"] == domain
    assert f"profile {config['slug']} " in (APP / "apparmor.txt").read_text()


def test_a_stop_has_time_enough(config: dict[str, Any]) -> None:
    """Supervisor waits longer than a handler may take, and its last signal."""
    limits = re.fullmatch(r"int\(0,(\d+)\)", config["schema"]["stop_grace"])
    assert limits is not None
    assert int(limits[1]) + 10 <= config["timeout"]


def test_each_option_has_a_default_and_words(config: dict[str, Any]) -> None:
    """In the order in which they are shown."""
    words = _yaml(APP / "translations" / "en.yaml")
    assert list(config["options"]) == list(config["schema"])
    assert list(words["configuration"]) == list(config["schema"])
    assert list(words["network"]) == list(config["ports"])
    for option in words["configuration"].values():
        assert set(option) == {"name", "description"}


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("jq", True), ("libstdc++6", True), ("-o=x", False), ("a b", False), ("", False)],
)
def test_only_packages_are_packages(
    config: dict[str, Any], package: str, allowed: bool
) -> None:
    """No option of apt's can be given for one."""
    (kind,) = config["schema"]["extra_packages"]
    pattern = kind.removeprefix("match(").removesuffix(")")
    assert bool(re.match(pattern, package)) == allowed


@pytest.mark.parametrize(("name", "size"), [("icon", (128, 128)), ("logo", (250, 86))])
def test_pictures(name: str, size: tuple[int, int]) -> None:
    """They have the size that is shown."""
    header = (APP / f"{name}.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == size


def test_nothing_else_looks_like_an_app() -> None:
    """Supervisor reads every file of this name in the repository."""
    left_out = (".", "rootfs", "node_modules", "dist")
    found = [
        path.relative_to(ROOT)
        for suffix in ("json", "yaml", "yml")
        for path in ROOT.rglob(f"config.{suffix}")
    ]
    assert [path for path in found if not any(map(_starts(left_out), path.parts))] == [
        Path("addon/config.yaml")
    ]


def _starts(prefixes: tuple[str, ...]) -> Any:
    return lambda part: part.startswith(prefixes)


def test_the_image_starts_from_a_base_that_can_be_chosen() -> None:
    """Supervisor passes none; a Debian of the release that is tested is the default."""
    lines = (APP / "Dockerfile").read_text().splitlines()
    assert lines[1:3] == ["ARG BUILD_FROM=debian:trixie-slim", "FROM ${BUILD_FROM}"]


def test_compose_runs_the_same_image(config: dict[str, Any]) -> None:
    """With the same time to stop, and without a port for everyone."""
    services = _yaml(ROOT / "docs" / "compose.yaml")["services"]
    (service,) = services.values()
    assert service["image"].partition(":")[0] == config["image"]
    assert service["stop_grace_period"] == f"{config['timeout']}s"
    assert service["ports"] == ["127.0.0.1:8099:8099"]
    targets = [volume.split(":")[1] for volume in service["volumes"]]
    assert targets == ["/config", "/data"]


def test_the_release_builds_what_the_app_names(config: dict[str, Any]) -> None:
    """The workflow pushes to the image of config.yaml, for its architectures."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert f"IMAGE: {config['image']}\n" in workflow
    for architecture in config["arch"]:
        assert f"arch: {architecture}\n" in workflow
