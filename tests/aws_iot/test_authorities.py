"""Whom a thing trusts where the user names no authority."""

from collections.abc import AsyncIterator
from dataclasses import replace
import logging
from pathlib import Path
import re
import ssl
from typing import Any

import certifi
import pytest

from custom_components.aws_iot_jobs.aws_iot import authorities, connection
from custom_components.aws_iot_jobs.aws_iot.endpoint import look_at_endpoint
from custom_components.aws_iot_jobs.aws_iot.errors import ServerCertificateError

from ..broker import Broker
from ..certificates import CertificateAuthority
from .conftest import THING, TOPIC, Thing
from .link import Link

SOON_SECONDS = 8
"""Below the 10 s after which the library tells of a server that it does not trust."""
OTHERS = CertificateAuthority("Another CA").certificate


@pytest.mark.parametrize(
    "endpoint",
    [
        "a1b2c3d4e5f6g7-ats.iot.eu-central-1.amazonaws.com",
        "A1B2C3D4E5F6G7-ATS.iot.us-gov-west-1.amazonaws.com",
        "a1b2c3d4e5f6g7.ats.iot.cn-north-1.amazonaws.com.cn",
        "a1b2c3d4e5f6g7-ats.iot-fips.us-east-1.amazonaws.com",
        "data-ats.iot.eu-west-1.api.aws",
    ],
)
def test_amazon_signs_for(endpoint: str) -> None:
    """AWS's endpoints that have "ats" in the name."""
    assert authorities.is_amazons(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost",
        "127.0.0.1",
        "iot.example.com",
        "a1b2c3d4e5f6g7.iot.eu-central-1.amazonaws.com",
        "data.iot.cn-north-1.amazonaws.com.cn",
        "bats.iot.eu-central-1.amazonaws.com",
        "a-ats.iot.eu-central-1.amazonaws.com.example.com",
        "a-ats.iot.eu-central-1.notamazonaws.com",
        "a-ats.iot.eu-central-1xamazonaws.com",
        "",
    ],
)
def test_others_sign_for(endpoint: str) -> None:
    """Domains of one's own, AWS's older endpoints, and what only looks like one."""
    assert not authorities.is_amazons(endpoint)


def test_amazons_authorities() -> None:
    """The five that AWS names for its endpoints, whole, and of the public ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authorities.amazons().decode())
    shown: list[Any] = context.get_ca_certs()
    names = [dict(pair for (pair,) in it["subject"])["commonName"] for it in shown]
    assert sorted(names) == [
        "Amazon Root CA 1",
        "Amazon Root CA 2",
        "Amazon Root CA 3",
        "Amazon Root CA 4",
        "Starfield Services Root Certificate Authority - G2",
    ]
    known = set(_pem(Path(certifi.where()).read_bytes()))
    assert set(_pem(authorities.amazons())) < known
    assert set(_pem(authorities.public())) == known


def test_public_ones_without_amazons(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are taken then."""
    for chosen in (authorities.amazons, authorities.public):
        chosen.cache_clear()
    monkeypatch.setattr(certifi, "contents", OTHERS.decode)
    assert authorities.amazons() == OTHERS
    for chosen in (authorities.amazons, authorities.public):
        chosen.cache_clear()


def _pem(bundle: bytes) -> list[bytes]:
    """Return the certificates of a bundle, without what stands between them."""
    return re.findall(b"-----BEGIN CERTIFICATE-----.+?-----END", bundle, re.DOTALL)


@pytest.fixture
async def trusting(
    broker: Broker, link: Link, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Thing]:
    """Return a thing that is not started, whose user names no authority.

    Amazon is taken to sign for its endpoint, but none of Amazon's authorities does, nor any
    other.
    """
    monkeypatch.setattr(authorities, "_ENDPOINT", re.compile("localhost"))
    monkeypatch.setattr(authorities, "amazons", lambda: OTHERS)
    monkeypatch.setattr(authorities, "public", lambda: OTHERS)
    thing = Thing(replace(broker.settings(THING), port=link.port, root_ca=None))
    yield thing
    await thing.connection.stop()


async def test_amazons_are_trusted_alone(
    trusting: Thing, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they sign, no other is asked for."""
    monkeypatch.setattr(authorities, "amazons", lambda: broker.ca.certificate)
    await trusting.connection.start()
    await trusting.connected(SOON_SECONDS)


async def test_another_endpoint_is_trusted_by_all(
    trusting: Thing, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the public authorities, at once."""
    monkeypatch.setattr(authorities, "_ENDPOINT", re.compile("amazon"))
    monkeypatch.setattr(authorities, "public", lambda: broker.ca.certificate)
    thing = Thing(trusting.settings)
    await thing.connection.start()
    await thing.connected(SOON_SECONDS)
    await thing.connection.stop()


async def test_the_users_authority_is_trusted_alone(
    trusting: Thing, broker: Broker
) -> None:
    """Whatever the endpoint's name."""
    thing = Thing(replace(trusting.settings, root_ca=broker.ca.certificate))
    await thing.connection.start()
    await thing.connected(SOON_SECONDS)
    await thing.connection.stop()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_all_are_trusted_where_amazons_do_not_sign(
    trusting: Thing,
    broker: Broker,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the same attempt, without a word but for debugging; and it is remembered."""
    monkeypatch.setattr(authorities, "public", lambda: broker.ca.certificate)
    assert await look_at_endpoint(trusting.settings) is None
    looked = len(link.accepted)
    with caplog.at_level(logging.DEBUG, connection.__name__):
        await trusting.connection.start()
        await trusting.connected(60)
    assert not trusting.errors
    assert len(link.accepted) == looked + 2
    (told,) = [it for it in caplog.records if "all public" in it.getMessage()]
    assert told.levelno == logging.DEBUG
    await trusting.connection.publish(TOPIC, b"{}")
    await link.cut()
    await trusting.times_ready(2, SOON_SECONDS)
    assert len(link.accepted) == looked + 3


@pytest.mark.thorough
@pytest.mark.timeout(180)
async def test_nobody_signs(trusting: Thing, link: Link) -> None:
    """Both are tried, once each, and then the server is said not to be trusted."""
    await trusting.connection.start()
    await trusting.times_lost(1, 120)
    assert isinstance(trusting.errors[0], ServerCertificateError)
    assert len(link.accepted) == 2
