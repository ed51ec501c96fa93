"""What of a log does not leave the home."""

import time

import pytest

from custom_components.aws_iot_jobs.steps.log_redaction import redacted

KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg\nlong+line/\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("password: hunter22", "password: [hidden]"),
        ("wifi_password=hunter22, ssid=home", "wifi_password=[hidden], ssid=home"),
        ('{"access_token": "a b\\" c", "x": 1}', '{"access_token": [hidden], "x": 1}'),
        ("{'api_key': 'abc', 'x': 1}", "{'api_key': [hidden], 'x': 1}"),
        ('{\\"client_secret\\": \\"abc\\"}', '{\\"client_secret\\": [hidden]}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: [hidden]"),
        ("password: my-own-secret-word", "password: [hidden]"),
        ("sent Bearer abcdefgh to it", "sent Bearer [hidden] to it"),
        ("mqtt://user:pass@broker:1883", "mqtt://[hidden]@broker:1883"),
        ("eyJhbGciOiJI.eyJpc3MiOiI.abc is no token", "[hidden] is no token"),
        ("id AKIAIOSFODNN7EXAMPLE", "id [hidden]"),
        ("POST /api/webhook/abcdef0123", "POST /api/webhook/[hidden]"),
        ("GET https://a.b/c?x=1&key=abc", "GET https://a.b/c?x=1&key=[hidden]"),
        ("GET https://a.b/c?X-Amz-Signature=5e", "GET https://a.b/c"),
        ("my-own-secret-word in it", "[hidden] in it"),
        (f"key {KEY} end", "key [hidden] end"),
        (f"key {KEY.replace(chr(10), '\\n')} end", "key [hidden] end"),
        (f"{KEY[35:]} end", "[hidden] end"),
        (f"key {KEY[:45]}", "key [hidden]"),
        (
            "2026-10-04 WARNING [a.b] Setup of sensor took 10 s; on the door",
            "2026-10-04 WARNING [a.b] Setup of sensor took 10 s; on the door",
        ),
        ("the keys and tokens of it", "the keys and tokens of it"),
        (f"a\n{KEY}\nb\n{KEY}\nc", "a\n[hidden]\nb\n[hidden]\nc"),
    ],
)
def test_what_is_hidden(line: str, shown: str) -> None:
    """Secrets of all kinds go, and what is around them stays."""
    assert redacted(line.encode(), ("my-own-secret-word", "on")) == shown


def test_a_certificate_stays() -> None:
    """It is no secret, and a key after it is."""
    text = f"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n{KEY}"
    assert redacted(text.encode(), ()) == text.replace(KEY, "[hidden]")


@pytest.mark.parametrize(
    "text",
    [
        "password",
        "token-",
        "token ",
        'token="',
        "a.b-",
        "-eyJaaaaaaaa",
        "-eyJaaaaaaaa.",
        "x:",
        "://a:",
        "https://a?",
        "?key=",
        "Basic ",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """Not even one that is made for it: it is not looked at anew for each of its words."""
    data = (text * (400_000 // len(text))).encode()
    began = time.process_time()
    redacted(data, ("some-secret",))
    assert time.process_time() - began < 3
