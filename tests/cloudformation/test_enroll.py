"""scripts/enroll, as the operator of a fleet uses it."""

from datetime import UTC, datetime
import json
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from enrollment.__main__ import main
from enrollment.bundle import BundleRequest, make_bundle
from enrollment.fleet_stack import FleetStack
from stack.paths import ROOT

from .conftest import SharedFleet
from .home import enrol

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fleet")]


@pytest.fixture(autouse=True)
def logged_in(
    shared: SharedFleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Have the environment of somebody who is logged in to AWS, and an empty folder."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": shared.aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": shared.aws.secret_access_key,
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def arguments(shared: SharedFleet, *more: str) -> list[str]:
    """Return the command line of a bundle for the local AWS."""
    return [
        *("bundle", "--stack", shared.fleet.name, "--region", shared.aws.region),
        *("--endpoint-url", shared.aws.endpoint_url),
        *more,
    ]


def run(monkeypatch: pytest.MonkeyPatch, shared: SharedFleet, *more: str) -> int:
    """Run it in this process, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["enroll", *arguments(shared, *more)])
    return main()


def certificates(shared: SharedFleet) -> set[str]:
    """Return the IDs of all certificates."""
    return {
        it["certificateId"] for it in shared.aws.iot.list_certificates()["certificates"]
    }


def test_a_bundle_enrols_a_home(shared: SharedFleet, tmp_path: Path) -> None:
    """It has all that is needed, only its owner can read it, and it says what to do then."""
    root_ca = tmp_path / "ca.pem"
    root_ca.write_text(shared.aws.root_ca)
    local = ["--endpoint", shared.aws.mqtt_host, "--port", str(shared.aws.mqtt_port)]
    more = [*local, "--root-ca", str(root_ca), "--parameter", "Site=mill"]
    ended = subprocess.run(
        [ROOT / "scripts" / "enroll", *arguments(shared, *more)],
        env=os.environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    file = tmp_path / f"{shared.fleet.name}-claim.json"
    assert file.stat().st_mode & 0o777 == 0o600
    bundle = json.loads(file.read_text())
    assert bundle.keys() == {
        *("endpoint", "port", "rootCa", "template", "parameters"),
        *("claimCertificate", "claimPrivateKey"),
    }
    assert bundle["parameters"] == {"Site": "mill"}
    assert "PRIVATE KEY" not in ended.stdout
    home = shared.run(enrol(bundle, "by-script"))
    thing = shared.aws.iot.describe_thing(thingName=home.thing_name)
    assert thing["attributes"]["site"] == "mill"
    [command] = re.findall(r"aws iot update-certificate .*", ended.stdout)
    claim = command.split()[-1]
    assert claim in certificates(shared)


def test_the_endpoint_is_that_of_the_account(
    shared: SharedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then neither port nor authority need to be told."""
    assert run(monkeypatch, shared, "--to", "bundle.json") == 0
    bundle = json.loads(Path("bundle.json").read_text())
    found = shared.aws.iot.describe_endpoint(endpointType="iot:Data-ATS")
    assert bundle["endpoint"] == found["endpointAddress"]
    assert not {"port", "rootCa"} & bundle.keys()


def test_a_temporary_claim_is_said_to_end(
    shared: SharedFleet,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is nothing to deactivate, so no certificate is left."""
    before = certificates(shared)
    assert run(monkeypatch, shared, "--temporary") == 0
    said = capsys.readouterr().out
    [until] = re.findall(r"until (\d\d:\d\d):", said)
    assert until >= f"{datetime.now(UTC).astimezone():%H:%M}" or until.startswith("00")
    assert "update-certificate" not in said
    assert certificates(shared) == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--parameter", "Town=x"], "has no parameter Town: it has SerialNumber, Site"),
        (["--stack", "other"], "Stack with id other does not exist"),
        (["--root-ca", "none.pem"], "none.pem"),
        (["--to", "there.json"], "there.json is there already"),
        (["--to", "no/where.json"], "no/where.json"),
        (["--profile", "none"], "profile"),
    ],
)
def test_what_cannot_be_done_leaves_nothing(
    shared: SharedFleet,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    """It is said in one line, and there is neither a file nor a claim of it."""
    Path("there.json").write_text("kept")
    before = certificates(shared)
    assert run(monkeypatch, shared, *more) == 1
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert certificates(shared) == before
    assert [path.name for path in Path().iterdir()] == ["there.json"]
    assert Path("there.json").read_text() == "kept"


def test_a_claim_that_gets_no_policy_is_taken_back(shared: SharedFleet) -> None:
    """As nobody could use it, and its key is lost."""
    before = certificates(shared)
    fleet = FleetStack(
        claim_policy="none", template=shared.fleet.name, parameters=frozenset()
    )
    with pytest.raises(shared.aws.iot.exceptions.ResourceNotFoundException):
        make_bundle(shared.aws.iot, fleet, BundleRequest())
    assert certificates(shared) == before


@pytest.mark.parametrize("parameter", ["Site", "Site=two words", "=x", "Site="])
def test_parameters_that_no_thing_can_have_are_refused(
    shared: SharedFleet,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parameter: str,
) -> None:
    """Here, rather than at each home."""
    with pytest.raises(SystemExit):
        run(monkeypatch, shared, "--parameter", parameter)
    assert "--parameter" in capsys.readouterr().err
