"""What an inventory says."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.aws_iot_jobs.aws_iot.shadow import (
    MAX_DOCUMENT_BYTES,
    encode_report,
)
from custom_components.aws_iot_jobs.inventory_content import (
    Inventory,
    System,
    UpdateKind,
    describe,
    steady,
    version_number,
)
from custom_components.aws_iot_jobs.jobs.approval import ApprovalPolicy
from custom_components.aws_iot_jobs.jobs.fences import Fences
from custom_components.aws_iot_jobs.jobs.window import MaintenanceWindow
from homeassistant.helpers.typing import UNDEFINED, UndefinedType

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 0, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("2026.10.4", 20261004),
        ("2026.9.12", 20260912),
        ("2026.11.0", 20261100),
        ("2026.11.0b3", 20261099),
        ("2026.11.0.dev202610300000", 20261099),
        ("16.2", 160200),
        ("16.3.rc1", 160299),
        ("2026.09.1", 20260901),
        ("0.1.0", 100),
        ("1.2.300", 10299),
        ("main", None),
        ("", None),
    ],
)
def test_versions_can_be_compared(version: str, number: int | None) -> None:
    """As numbers: as text, 2026.10 comes before 2026.9."""
    assert version_number(version) == number


SYSTEM = System(
    versions={"core": "2026.10.4", "os": "16.2", "supervisor": None},
    architecture="x86_64",
    installation_type="Home Assistant OS",
    board="generic-x86-64",
)
INVENTORY = Inventory(
    system=SYSTEM,
    versions={"agent": "0.1.0", "app": None},
    handlers_run="app",
    pending_updates={
        UpdateKind.CORE: "2026.11.1",
        UpdateKind.OS: None,
        UpdateKind.APPS: 2,
    },
    last_backup=datetime(2026, 11, 28, 23, 30, tzinfo=ZoneInfo("UTC")),
    free_disk=12000,
    approval=ApprovalPolicy.COMMANDS,
    window=MaintenanceWindow(begin=time(2), end=time(4), days={5, 6}),
    held=True,
    options={"runDocument": False},
    fences=Fences(commands=True, upload_hosts=frozenset({"example.com"})),
)


def test_all_is_told() -> None:
    """What there is, in the fields that docs/inventory.md names."""
    assert describe(INVENTORY, now=NOW) == {
        "core": "2026.10.4",
        "coreNumber": 20261004,
        "os": "16.2",
        "osNumber": 160200,
        "supervisor": None,
        "supervisorNumber": None,
        "agent": "0.1.0",
        "agentNumber": 100,
        "app": None,
        "appNumber": None,
        "installationType": "Home Assistant OS",
        "architecture": "x86_64",
        "board": "generic-x86-64",
        "handlersRun": "app",
        "pendingUpdates": {"core": "2026.11.1", "os": None, "apps": 2},
        "hasBackup": True,
        # At home it is the 29th already when that backup is made.
        "lastBackupDay": 20261129,
        "lastBackupAgeDays": 1,
        "freeDiskMiB": 12000,
        "capabilities": {
            "runHandler": True,
            "runCommand": False,
            "signed": False,
            "dryRun": True,
            "updateHomeAssistant": True,
            "createBackup": True,
            "callAction": False,
            "checkHomeAssistant": True,
            "restartHomeAssistant": True,
            "reloadConfiguration": True,
            "collectLogs": True,
            "rotateCertificate": True,
        },
        "options": {"runDocument": False},
        "approval": "commands",
        "window": {"from": "02:00", "to": "04:00", "days": "sat sun"},
        "held": True,
        "fences": {
            "commands": True,
            "paths": False,
            "handlers": False,
            "users": False,
            "uploadHosts": True,
            "homeAssistantSteps": False,
        },
    }


def test_what_there_is_not_is_forgotten() -> None:
    """The shadow loses it: it is told as null, not left out."""
    told = describe(replace(INVENTORY, last_backup=None, window=None), now=NOW)
    for name in ("app", "appNumber", "window", "lastBackupDay", "lastBackupAgeDays"):
        assert told[name] is None
    assert told["hasBackup"] is False


def test_what_is_not_known_is_kept() -> None:
    """It is left out, so that the shadow has what was told before."""
    system = System(versions={"core": "2"}, architecture="aarch64", board=UNDEFINED)
    told = describe(
        replace(
            INVENTORY,
            system=system,
            versions={},
            last_backup=UNDEFINED,
            free_disk=UNDEFINED,
        ),
        now=NOW,
    )
    assert told["core"] == "2"
    kept = {"os", "supervisorNumber", "app", "installationType", "board"}
    kept |= {"hasBackup", "lastBackupDay", "lastBackupAgeDays", "freeDiskMiB"}
    assert not kept & set(told)


def test_an_age_of_days_changes_with_the_day() -> None:
    """No sooner: each change is a report."""
    backup = datetime(2026, 11, 23, 12, tzinfo=ZONE)
    inventory = replace(INVENTORY, last_backup=backup)
    ages = [
        describe(inventory, now=now)["lastBackupAgeDays"]
        for now in (NOW, NOW.replace(hour=23), NOW + timedelta(days=1))
    ]
    assert ages == [7, 7, 8]


def test_it_is_far_below_the_limit_of_a_shadow() -> None:
    """With names as long as they get."""
    inventory = replace(
        INVENTORY,
        system=System(
            versions=dict.fromkeys(("core", "os", "supervisor"), "9" * 40),
            architecture="x" * 40,
            installation_type="Unsupported Third Party Container",
            board="b" * 60,
        ),
        versions=dict.fromkeys(("agent", "app"), "9" * 40),
        pending_updates=dict.fromkeys(UpdateKind, "9" * 40),
        options=dict.fromkeys("abcdefgh", True),
    )
    assert len(encode_report(describe(inventory, now=NOW))) < MAX_DOCUMENT_BYTES / 4


@pytest.mark.parametrize(
    ("amount", "told", "expected"),
    [(1000, UNDEFINED, 1000), (950, 1000, 1000), (1050, 1000, 1000), (890, 1000, 890)],
)
def test_a_disk_that_is_written_to_is_no_news(
    amount: int, told: int | UndefinedType, expected: int
) -> None:
    """Only what makes a difference is told."""
    assert steady(amount, told) == expected
