"""The command line of scripts/sign."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import re
import sys

from .envelope import envelope
from .signer import CommandSigner, KeySigner, Signer, SigningError

_DESCRIPTION = """\
Sign a job document: for these things, this job, and this long. The result is a job
document that can be given to `aws iot create-job`, and that nobody can change.

The key is a private key as PEM (EC P-256 or Ed25519):

  openssl genpkey -algorithm ed25519 -out signing.pem
  openssl pkey -in signing.pem -pubout -out signing.pub.pem    # for Home Assistant

Or it stays where it is, as in AWS KMS (ECC_NIST_P256): then a command signs. It gets the
SHA-256 digest of what is signed, 32 bytes, on its standard input, and prints the signature
as Base64 of DER:

  scripts/sign --public-key signing.pub.pem --command 'aws kms sign --key-id alias/jobs \\
      --message fileb:///dev/stdin --message-type DIGEST --output text --query Signature \\
      --signing-algorithm ECDSA_SHA_256' --job-id patch-1 --target '*' document.json
"""
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def main() -> int:
    """Sign what is asked for; return the exit status."""
    given = _parser().parse_args()
    try:
        document = json.loads(_read(given.document))
        if not isinstance(document, dict):
            raise SigningError(f"{given.document}: must hold a JSON object")
        signed = envelope(
            document,
            signer=_signer(given),
            job_id=given.job_id,
            targets=given.target,
            expires_at=datetime.now(UTC) + given.expires_in,
            urls=dict(given.url),
        )
    except (SigningError, OSError, ValueError) as err:
        print(f"sign: {err}", file=sys.stderr)
        return 1
    print(json.dumps(signed, indent=2))
    return 0


def _read(path: Path) -> str:
    return sys.stdin.read() if path == Path("-") else path.read_text()


def _signer(given: Namespace) -> Signer:
    if given.key is not None:
        return KeySigner.of(given.key.read_bytes())
    if given.public_key is None:
        raise SigningError("--command needs --public-key, which it signs for")
    return CommandSigner.of(given.public_key.read_bytes(), given.command)


def _length(text: str) -> timedelta:
    """Read a length of time: 90m, 12h, 7d. Raises ValueError."""
    if not re.fullmatch(r"[1-9][0-9]{0,4}[mhd]", text):
        raise ValueError(text)
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def _url(text: str) -> tuple[str, str]:
    """Read NAME=URL. Raises ValueError."""
    name, separator, url = text.partition("=")
    if not separator or not url or not _NAME.fullmatch(name):
        raise ValueError(text)
    return name, url


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="scripts/sign",
        description=_DESCRIPTION,
        formatter_class=RawDescriptionHelpFormatter,
    )
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key", type=Path, metavar="FILE", help="the private key, as PEM")
    key.add_argument("--command", help="signs a digest, as a key elsewhere does")
    parser.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="what --command signs for, as PEM",
    )
    parser.add_argument("--job-id", required=True, help="the job that it is for")
    parser.add_argument(
        "--target",
        action="append",
        required=True,
        metavar="THING",
        help='a thing that it is for, or "*" for any; may be given several times',
    )
    parser.add_argument(
        "--expires-in",
        type=_length,
        default=timedelta(days=7),
        metavar="LENGTH",
        help="how long it may be run: 90m, 12h, 7d (7d if nothing is said)",
    )
    parser.add_argument(
        "--url",
        action="append",
        type=_url,
        default=[],
        metavar="NAME=URL",
        help='what "{{url:NAME}}" in the document stands for: a URL, or a placeholder that '
        "AWS fills in; it is not signed",
    )
    parser.add_argument(
        "document", type=Path, help='the document, "-" for standard input'
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
