"""Signed job documents: only what was signed for here and now runs, and only once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import random
import subprocess
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.utils import base64url_decode, base64url_encode
import pytest
from signing.envelope import envelope
from signing.signer import CommandSigner, KeySigner, SigningError

from custom_components.aws_iot_jobs.jobs.errors import InvalidJobDocumentError
from custom_components.aws_iot_jobs.jobs.fences import Fences, read_document
from custom_components.aws_iot_jobs.jobs.signed import Trust, open_document
from custom_components.aws_iot_jobs.signing_keys import (
    KeyRing,
    UnusableKeyError,
    read_signing_keys,
)
from stack.paths import ROOT

from ..fake_jobs_service import FakeJobsService
from .conftest import THING, Device
from .documents import command_step, document

type Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
type Change = Callable[[dict[str, Any]], object]

SOON = timedelta(hours=1)
JOB = "patch-1"
FUZZED = 50_000
"""Envelopes for each kind of key."""


def private_pem(key: Private | rsa.RSAPrivateKey) -> bytes:
    """Return a private key as openssl writes it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Private | rsa.RSAPrivateKey) -> str:
    """Return the public key of a private one."""
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def signed(
    key: Private,
    inner: dict[str, Any],
    *,
    job_id: str = JOB,
    targets: tuple[str, ...] = (THING,),
    within: timedelta = SOON,
    urls: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Sign a document as scripts/sign does."""
    return envelope(
        inner,
        signer=KeySigner.of(private_pem(key)),
        job_id=job_id,
        targets=targets,
        expires_at=datetime.now(UTC) + within,
        urls=urls or {},
    )


def given(envelope_: dict[str, Any]) -> dict[str, Any]:
    """Return the input of a signed step."""
    found: dict[str, Any] = envelope_["steps"][0]["action"]["input"]
    return found


def trust(*keys: Private, only_signed: bool = True) -> Trust:
    """Trust what these keys sign."""
    ring = KeyRing(public_pem(key) for key in keys)
    return Trust(verifier=ring, only_signed=only_signed)


@pytest.fixture(params=["ES256", "EdDSA"])
def key(request: pytest.FixtureRequest) -> Private:
    """Return a private key of each kind."""
    if request.param == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def other_key() -> Private:
    """Return somebody else's key."""
    return ec.generate_private_key(ec.SECP256R1())


async def restart(device: Device, trusted: Trust) -> None:
    """Have a device with other keys."""
    await device.stop()
    device.settings = replace(device.settings, trust=trusted)
    await device.start()
    await device.connected()


def greeting(file: Path) -> dict[str, Any]:
    """Return a document whose run can be seen."""
    return document(command_step(f"sh,-c,echo ran >>{file}"))


async def test_what_was_signed_runs(
    device: Device, service: FakeJobsService, key: Private, tmp_path: Path
) -> None:
    """With the steps, reports and log of any job."""
    await restart(device, trust(key))
    job = service.create_job(signed(key, greeting(tmp_path / "log")), job_id=JOB)
    ended = await service.ended(job)
    assert ended.status == "SUCCEEDED", ended.status_details
    assert (tmp_path / "log").read_text() == "ran\n"


async def test_nothing_else_runs(
    device: Device,
    service: FakeJobsService,
    key: Private,
    other_key: Private,
    tmp_path: Path,
) -> None:
    """Each is rejected with a reason of its own, before anything runs."""
    await restart(device, trust(key))
    log = tmp_path / "log"
    plain = greeting(log)
    jws = given(signed(key, plain))["jws"]
    header, payload, signature = jws.split(".")
    changed = base64url_decode(payload).replace(b"ran", b"run")
    unsigned = base64url_encode(json.dumps({"alg": "none", "kid": "x"}).encode())
    kid = json.loads(base64url_decode(header))["kid"]
    none = base64url_encode(json.dumps({"alg": "none", "kid": kid}).encode())
    refused = {
        "not signed, and this Home Assistant runs signed jobs alone": plain,
        "the signature is wrong: the document was changed, or signed with another key": (
            _with(f"{header}.{base64url_encode(changed).decode()}.{signature}")
        ),
        "expired at 20": signed(key, plain, within=-SOON),
        "signed for other things, not for 'thing-1'": signed(
            key, plain, targets=("thing-2",)
        ),
        "signed for job 'patch-2', not for this one": signed(
            key, plain, job_id="patch-2"
        ),
        "which this Home Assistant does not have": signed(other_key, plain),
        "signed with key 'x'": _with(f"{unsigned.decode()}.{payload}."),
        "signed with algorithm 'none'": _with(f"{none.decode()}.{payload}."),
        "no signed text": _with("eyJ.x"),
        '"signed" has to be the only step of a document': document(
            signed(key, plain)["steps"][0], command_step("true")
        ),
    }
    for reason, wrong in refused.items():
        job = service.create_job(wrong, job_id=JOB)
        ended = await service.ended(job)
        assert ended.status == "REJECTED"
        assert reason in ended.status_details["reason"]
        await device.until(lambda state: state.job is None)
        service.delete(job)
    assert not log.exists()


async def test_what_has_run_runs_no_more(
    device: Device, service: FakeJobsService, key: Private, tmp_path: Path
) -> None:
    """Be it after a restart; but AWS may try a job again that has failed."""
    await restart(device, trust(key))
    log = tmp_path / "log"
    once = signed(key, document(command_step(f"sh,-c,echo ran >>{log}; false")))
    job = service.create_job(once, job_id=JOB)
    assert (await service.ended(job)).status == "FAILED"
    again = service.create_job(once, job_id=JOB)
    assert (await service.ended(again)).status == "FAILED"
    assert log.read_text() == "ran\nran\n"

    made = [job, again]
    for restarted in (False, True):
        if restarted:
            await restart(device, trust(key))
        for old in made:
            service.delete(old)
        made = []
        for _ in range(2):
            made.append(service.create_job(once, job_id=JOB))
            ended = await service.ended(made[-1])
            assert ended.status == "REJECTED"
            assert "has been run here before" in ended.status_details["reason"]
    assert log.read_text() == "ran\nran\n"


async def test_two_keys_then_one(
    device: Device,
    service: FakeJobsService,
    key: Private,
    other_key: Private,
    tmp_path: Path,
) -> None:
    """A new key is added, and the old one taken away later."""
    plain = greeting(tmp_path / "log")
    await restart(device, trust(key, other_key))
    for number, signer in enumerate((key, other_key)):
        name = f"job-{number}"
        job = service.create_job(signed(signer, plain, job_id=name), job_id=name)
        assert (await service.ended(job)).status == "SUCCEEDED"
    await restart(device, trust(other_key))
    for signer, status in ((key, "REJECTED"), (other_key, "SUCCEEDED")):
        name = f"job-{status}"
        job = service.create_job(signed(signer, plain, job_id=name), job_id=name)
        assert (await service.ended(job)).status == status


async def test_unsigned_jobs_run_where_they_may(
    device: Device, service: FakeJobsService, key: Private, tmp_path: Path
) -> None:
    """And where they may not, somebody here may run a document all the same."""
    plain = greeting(tmp_path / "log")
    await restart(device, trust(key, only_signed=False))
    assert await _status(service, plain) == "SUCCEEDED"
    assert await _status(service, signed(key, plain), JOB) == "SUCCEEDED"
    await restart(device, trust(key))
    assert (await device.agent.run_document(plain)).status == "SUCCEEDED"
    plan = await device.agent.check_document(signed(key, plain, job_id="any"))
    assert plan.is_clean
    assert not (await device.agent.check_document(plain)).valid


async def test_a_signature_without_keys(
    device: Device, service: FakeJobsService, key: Private
) -> None:
    """Says that keys are missing here."""
    job = service.create_job(signed(key, document(command_step("true"))), job_id=JOB)
    ended = await service.ended(job)
    assert ended.status == "REJECTED"
    assert "has no key to verify that" in ended.status_details["reason"]


def test_urls_are_filled_in(key: Private) -> None:
    """Where a text is nothing but the URL: within a command it could be another word."""
    step = {
        "name": "Get",
        "type": "runHandler",
        "input": {"handler": "download-file.sh", "args": ["{{url:a}}", "f", "0" * 64]},
    }
    inner = document({"action": step})
    opened = open_document(
        signed(key, inner, urls={"a": "https://s3.example.com/f?X-Amz-Signature=1"}),
        trust(key),
        thing_name=THING,
        job_id=JOB,
    )
    args = opened.document["steps"][0]["action"]["input"]["args"]
    assert args[0] == "https://s3.example.com/f?X-Amz-Signature=1"
    fenced = Fences(upload_hosts=frozenset({"files.example.com"}))
    with pytest.raises(
        InvalidJobDocumentError, match=r"URLs of host 's3\.example\.com'"
    ):
        read_document(opened.document, fenced)


@pytest.mark.parametrize(
    ("command", "url", "problem"),
    [
        ("echo,{{url:a}}", "https://a.example", "within a longer text"),
        ("{{url:b}}", "https://a.example", "has no URL 'b'"),
        ("{{url:a}}", "https://a.example,rm", "must be an http or https URL"),
        ("{{url:a}}", "https://a.example/ x", "must be an http or https URL"),
        ("{{url:a}}", "file:///etc/passwd", "must be an http or https URL"),
    ],
)
def test_urls_do_no_more(key: Private, command: str, url: str, problem: str) -> None:
    """Nobody has signed them."""
    inner = document(command_step(command))
    with pytest.raises(InvalidJobDocumentError, match=problem):
        open_document(
            signed(key, inner, urls={"a": url}),
            trust(key),
            thing_name=THING,
            job_id=JOB,
        )


@pytest.mark.parametrize("claim", ["exp", "targets", "jobId"])
def test_each_claim_has_to_be_there(key: Private, claim: str) -> None:
    """A signature without an end is for ever."""

    payload = {"version": "1.0", "exp": 9e9, "targets": ["*"], "jobId": JOB}
    del payload[claim]
    jws = _jws(KeySigner.of(private_pem(key)), payload)
    with pytest.raises(InvalidJobDocumentError, match=f"has no {claim} as it needs it"):
        open_document(_with(jws), trust(key), thing_name=THING, job_id=JOB)


def test_fuzzed_envelopes(key: Private) -> None:
    """None of 100,000 opens, and each says why."""
    chance = random.Random(20261130)
    right = signed(key, document(command_step("true")))
    jws = given(right)["jws"]
    trusted = trust(key)
    for _ in range(FUZZED):
        wrong = _with(_mutated(chance, jws))
        with pytest.raises(InvalidJobDocumentError):
            open_document(wrong, trusted, thing_name=THING, job_id=JOB)
    opened = open_document(right, trusted, thing_name=THING, job_id=JOB)
    assert opened.document == document(command_step("true"))


def test_keys_are_read(key: Private, other_key: Private) -> None:
    """Several of a file, and what is no key that verifies is told."""
    keys = read_signing_keys(public_pem(key) + public_pem(other_key))
    assert len({one.id for one in keys}) == 2
    with pytest.raises(UnusableKeyError, match="signing_key_is_private"):
        read_signing_keys(private_pem(key).decode())
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(UnusableKeyError, match="signing_key_of_other_kind"):
        read_signing_keys(public_pem(weak))
    with pytest.raises(UnusableKeyError, match="signing_key_unreadable"):
        read_signing_keys("no key")


def test_a_command_signs(tmp_path: Path) -> None:
    """As AWS KMS does: it gets a digest, and prints a signature."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    sign = tmp_path / "sign"
    sign.write_text(
        "#!/bin/sh\n"
        f"openssl pkeyutl -sign -inkey {tmp_path}/key.pem -in /dev/stdin | base64 -w0\n"
    )
    sign.chmod(0o700)
    signer = CommandSigner.of(public_pem(key).encode(), str(sign))
    jws = _jws(signer, {"any": "thing"})
    assert json.loads(KeyRing([public_pem(key)]).verify(jws)) == {"any": "thing"}
    with pytest.raises(SigningError, match="ended with status 1"):
        CommandSigner.of(public_pem(key).encode(), "false").sign(b"")
    with pytest.raises(SigningError, match="printed no signature"):
        CommandSigner.of(public_pem(key).encode(), "echo ?").sign(b"")


def test_the_script(tmp_path: Path, key: Private) -> None:
    """What it prints runs here."""
    pem, file = tmp_path / "key.pem", tmp_path / "document.json"
    pem.write_bytes(private_pem(key))
    file.write_text(json.dumps(document(command_step("true"))))
    command: list[str | Path] = [ROOT / "scripts/sign", "--key", pem]
    command += ["--job-id", JOB, "--target", THING]
    printed = subprocess.run(
        [*command, "--expires-in", "1h", file], check=True, capture_output=True
    ).stdout
    opened = open_document(
        json.loads(printed), trust(key), thing_name=THING, job_id=JOB
    )
    assert opened.document == document(command_step("true"))
    failed = subprocess.run(
        [*command, tmp_path / "missing"], check=False, capture_output=True, text=True
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith("sign: ")


def _with(jws: str) -> dict[str, Any]:
    step = {"name": "Signed", "type": "signed", "input": {"jws": jws}}
    return document({"action": step})


def _jws(signer: KeySigner | CommandSigner, payload: dict[str, Any]) -> str:
    header = {"alg": signer.algorithm, "kid": signer.key_id}
    text = ".".join(
        base64url_encode(json.dumps(part).encode()).decode()
        for part in (header, payload)
    )
    return f"{text}.{base64url_encode(signer.sign(text.encode())).decode()}"


def _mutated(chance: random.Random, jws: str) -> str:
    """Return another text than a JWS: some characters changed, left out or put in."""
    while True:
        text = list(jws)
        for _ in range(chance.choice((1, 1, 2, 5, 40))):
            place = chance.randrange(len(text))
            match chance.randrange(4):
                case 0:
                    text[place] = chance.choice(_CHARACTERS)
                case 1:
                    del text[place]
                case 2:
                    text.insert(place, chance.choice(_CHARACTERS))
                case _:
                    text = text[:place]
            if not text:
                text = ["."]
        if _meaning(mutated := "".join(text)) != _meaning(jws):
            return mutated


def _meaning(jws: str) -> object:
    """Return what the parts of a JWS are: the last bits of Base64 may mean nothing."""
    try:
        return [base64url_decode(part) for part in jws.split(".")]
    except ValueError:
        return jws


_CHARACTERS = 'abcXYZ019-_.=+/ {}"\\\n\u00e4'


async def _status(
    service: FakeJobsService, found: dict[str, Any], job_id: str | None = None
) -> str:
    job = service.create_job(found, job_id=job_id)
    return (await service.ended(job)).status
