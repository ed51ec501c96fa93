"""scripts/enroll home: enrol a Home Assistant by its own dialog, from afar."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
import asyncio
import os
from pathlib import Path

from yarl import URL

from .command import Command, EnrollmentError
from .home import Home, enroll, with_parameters

TOKEN_VARIABLE = "HASS_TOKEN"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        required=True,
        type=_url,
        help="where Home Assistant answers, such as http://192.168.1.5:8123",
    )
    parser.add_argument(
        "--token",
        help="a long-lived access token of an administrator there"
        f" (default: that in the environment variable {TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--bundle",
        required=True,
        type=Path,
        metavar="FILE",
        help="the claim bundle that scripts/enroll bundle has written",
    )
    parser.add_argument(
        "--place",
        choices=["app", "local"],
        help="where handlers run (default: in the app where there can be one)",
    )
    parser.add_argument(
        "--fences",
        choices=["locked_down", "open"],
        help="what jobs may do, where the dialog asks (default: locked_down)",
    )
    parser.add_argument(
        "parameters",
        nargs="*",
        type=_parameter,
        metavar="NAME=VALUE",
        help="a parameter of the template for this home, such as SerialNumber=4711",
    )


def _url(text: str) -> str:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise ArgumentTypeError(f"{text!r} is not an address like http://HOST:8123")
    return str(url.origin())


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _run(given: Namespace) -> None:
    token = given.token or os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise EnrollmentError(f"there is neither --token nor {TOKEN_VARIABLE}")
    try:
        bundle = given.bundle.read_text()
    except (OSError, UnicodeDecodeError) as err:
        raise EnrollmentError(f"--bundle: {err}") from None
    home = Home(url=given.url, token=token, place=given.place, fences=given.fences)
    entry = asyncio.run(enroll(home, with_parameters(bundle, dict(given.parameters))))
    if entry.state != "loaded":
        raise EnrollmentError(
            f"{home.url} is enrolled as {entry.title}, but its thing is not set up:"
            f" {entry.reason or entry.state}"
        )
    print(f"{home.url}: enrolled as {entry.title}")


HOME = Command(
    summary="enrol a Home Assistant with a claim bundle, by its own dialog",
    description="Go through the dialog of the integration in a Home Assistant that can be"
    " reached from here, with a claim bundle. The integration has to be installed there.",
    add_arguments=_add_arguments,
    run=_run,
)
