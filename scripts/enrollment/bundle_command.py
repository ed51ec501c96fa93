"""The command that writes a bundle."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import re
from typing import TextIO

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .bundle import AWS_PORT, Bundle, BundleRequest, make_bundle, revoke_claim
from .command import Command, EnrollmentError
from .fleet_stack import read_fleet_stack

PRIVATE_FILE = 0o600


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--stack", required=True, metavar="NAME", help="the fleet's stack"
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="the file to write, which must not be there yet (NAME-claim.json)",
    )
    parser.add_argument(
        "--temporary",
        action="store_true",
        help="make a claim that can be used for 5 minutes, for somebody who sets up a home now",
    )
    parser.add_argument(
        "--parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the provisioning template that is the same for all homes which get "
        "this bundle, such as Site=harbour; may be given more than once. The serial number "
        "is the home's own",
    )
    aws = parser.add_argument_group("AWS")
    aws.add_argument("--region", help="the region of the stack (as the AWS CLI has it)")
    aws.add_argument("--profile", help="the profile of the AWS CLI to use")
    aws.add_argument(
        "--endpoint-url", metavar="URL", help="where AWS's API is, for a local stand-in"
    )
    homes = parser.add_argument_group(
        "How homes connect, where not to the account's endpoint"
    )
    homes.add_argument("--endpoint", metavar="HOST", help="a domain of your own")
    homes.add_argument(
        "--port",
        type=int,
        default=AWS_PORT,
        help="the MQTT port, such as 443 (%(default)d)",
    )
    homes.add_argument(
        "--root-ca",
        type=Path,
        metavar="FILE",
        help="the authority of the endpoint's certificate, PEM, where it is not Amazon's",
    )


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"expected NAME=VALUE, not {text!r}")
    # It becomes an attribute of a thing: a home would only hear that provisioning has failed.
    if not re.fullmatch(r"[a-zA-Z0-9_.,@/:#=\[\]-]{1,800}", value):
        raise ArgumentTypeError(
            f"{value!r} has a character that AWS does not take in an attribute: expected "
            "letters, digits and _.,@/:#=[]-"
        )
    return name, value


def _run(given: Namespace) -> None:
    path: Path = given.to or Path(f"{given.stack}-claim.json")
    try:
        session = boto3.Session(region_name=given.region, profile_name=given.profile)
        iot = session.client("iot", endpoint_url=given.endpoint_url)
        fleet = read_fleet_stack(
            session.client("cloudformation", endpoint_url=given.endpoint_url),
            iot,
            given.stack,
        )
        request = BundleRequest(
            temporary=given.temporary,
            parameters=dict(given.parameter),
            endpoint=given.endpoint,
            port=given.port,
            root_ca=given.root_ca and given.root_ca.read_text(),
        )
        with _new_file(path) as file:
            bundle = make_bundle(iot, fleet, request)
            try:
                json.dump(bundle.content, file, indent=2)
                file.write("\n")
                file.flush()
            except BaseException:
                revoke_claim(iot, bundle.claim)
                raise
    except (BotoCoreError, ClientError, OSError) as err:
        raise EnrollmentError(str(err)) from None
    _tell(path, bundle, given)


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """Make a file that only its owner can read; nothing is left of it if what follows fails.

    Raises EnrollmentError if it is there: it may be the only copy of another claim's key.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:
        raise EnrollmentError(
            f"{path} is there already: give another file with --to"
        ) from None
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _tell(path: Path, bundle: Bundle, given: Namespace) -> None:
    claim = bundle.claim
    print(f"{path} has the claim {claim.certificate_id[:12]}….")
    print("Whoever has the file can enrol homes: hand it over as you would a password.")
    if claim.expires is not None:
        print(f"The claim can be used until {claim.expires.astimezone():%H:%M:%S}.")
        return
    options = "".join(
        f" --{name} {value}"
        for name in ("region", "profile")
        if (value := getattr(given, name))
    )
    print("When all homes have enrolled, deactivate the claim:")
    print(
        f"  aws iot update-certificate --new-status INACTIVE{options} "
        f"--certificate-id {claim.certificate_id}"
    )


BUNDLE = Command(
    summary="make a claim and write the file that a home enrols with",
    description="Make a claim certificate for a fleet, and write one file that has it and all "
    "else that the dialog of a Home Assistant asks for to enrol: a bundle. Homes that have "
    "enrolled do not need the claim again.",
    add_arguments=_add_arguments,
    run=_run,
)
