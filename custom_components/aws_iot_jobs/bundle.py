"""One file with all that a dialog needs: AWS's connection kit, or a bundle of our own.

A bundle of our own is for one thing, or a claim with which homes enrol.

docs/bundle.md has the format. What is in a file is told by what it holds; names of files are
asked only where AWS tells the thing's name in no other way. Everything is read in memory,
within limits. It computes, so it is not for the event loop.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
import json
from pathlib import PurePosixPath
import re
from typing import Any, Final
import zipfile
import zlib

from cryptography import x509

from homeassistant.const import CONF_PORT

from .aws_iot.authorities import is_amazons
from .const import (
    CONF_BUNDLE,
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ENDPOINT,
    CONF_PARAMETERS,
    CONF_PRIVATE_KEY,
    CONF_ROOT_CA,
    CONF_TEMPLATE,
    CONF_THING_NAME,
)
from .credential_files import MAX_FILE_BYTES, FileKind, Finding, look_into
from .errors import InvalidInputError
from .parameters import as_lines
from .pem import decode
from .uploads import UploadedFile

MAX_MEMBERS: Final = 100
"""How many files a zip file may have. AWS's kit has five."""
MAX_UNPACKED_BYTES: Final = 4 * MAX_FILE_BYTES
"""How much may be in all of them together."""

_ENCRYPTED_FLAG = 0x1
# The others may ask for any amount of memory.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
_MAX_DEPTH = 4

_AWS_ENDPOINT = re.compile(
    r"(?<![a-z0-9.-])[a-z0-9-]+(?:\.ats|-ats)?\.iot(?:-fips)?\.[a-z0-9-]+"
    r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?![a-z0-9-])",
    re.IGNORECASE,
)
_NAMED_AFTER_THING = re.compile(
    r"([a-zA-Z0-9:_-]{1,128})\.(?:cert\.pem|private\.key|public\.key)"
)
# By how names look without what programs write between their words.
_FIELDS = {
    "endpoint": CONF_ENDPOINT,
    "endpointaddress": CONF_ENDPOINT,
    "iotendpoint": CONF_ENDPOINT,
    "port": CONF_PORT,
    "thingname": CONF_THING_NAME,
    "thing": CONF_THING_NAME,
    "template": CONF_TEMPLATE,
    "templatename": CONF_TEMPLATE,
    "parameters": CONF_PARAMETERS,
    "claimcertificate": CONF_CLAIM_CERTIFICATE,
    "claimcertificatepem": CONF_CLAIM_CERTIFICATE,
    "claimprivatekey": CONF_CLAIM_PRIVATE_KEY,
    "claimprivatekeypem": CONF_CLAIM_PRIVATE_KEY,
    "certificate": CONF_CERTIFICATE,
    "certificatepem": CONF_CERTIFICATE,
    "cert": CONF_CERTIFICATE,
    "privatekey": CONF_PRIVATE_KEY,
    "privatekeypem": CONF_PRIVATE_KEY,
    "key": CONF_PRIVATE_KEY,
    "rootca": CONF_ROOT_CA,
    "rootcapem": CONF_ROOT_CA,
    "ca": CONF_ROOT_CA,
}
_TEXTS = {CONF_ENDPOINT, CONF_THING_NAME, CONF_TEMPLATE}
_FILES = {
    CONF_CERTIFICATE,
    CONF_PRIVATE_KEY,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ROOT_CA,
}
_OF_A_CLAIM = {
    CONF_CERTIFICATE: CONF_CLAIM_CERTIFICATE,
    CONF_PRIVATE_KEY: CONF_CLAIM_PRIVATE_KEY,
}
"""Which fields of a claim what does not say whose it is would be for."""
_NOT_IN_A_WORD = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle has: texts and files, by the fields of the form that they are for."""

    texts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, UploadedFile] = field(default_factory=dict)


def read_bundle(file: UploadedFile) -> Bundle:
    """Return what a file has for the form of a thing, or of a claim.

    Raises InvalidInputError for one that is no bundle, or that has nothing of use.
    """
    if len(file.content) > MAX_FILE_BYTES:
        raise _refusal("bundle_too_large")
    if file.content.startswith(b"PK"):
        found = _of_members(_unpack(file.content))
    else:
        found = _of_file(file)
    if not found.texts and not found.files:
        raise _refusal("bundle_without_contents")
    return _without_amazons_authority(found)


def fitting(bundle: Bundle, fields: Collection[str]) -> Bundle:
    """Return what a bundle has for a form with these fields.

    In the form of a claim, a certificate and a key of which it is not said whose they are
    are the claim's: AWS prints them so. Raises InvalidInputError for a claim where a thing
    is asked for, and the other way round.
    """
    if CONF_CLAIM_CERTIFICATE not in fields:
        if not bundle.files.keys().isdisjoint(_OF_A_CLAIM.values()):
            raise _refusal("bundle_is_claim")
        return bundle
    if thing_name := bundle.texts.get(CONF_THING_NAME):
        raise InvalidInputError(
            {CONF_BUNDLE: "bundle_of_a_thing"}, other_thing=thing_name
        )
    files = {
        _OF_A_CLAIM.get(field, field): file for field, file in bundle.files.items()
    }
    # What says that it is the claim's counts more.
    return Bundle(texts=bundle.texts, files=files | _only_claims(bundle.files))


def _only_claims(files: Mapping[str, UploadedFile]) -> dict[str, UploadedFile]:
    return {
        field: file for field, file in files.items() if field in _OF_A_CLAIM.values()
    }


def _of_file(file: UploadedFile) -> Bundle:
    """Return what a file that is no zip file has."""
    if (data := _json(file.content)) is not None:
        return _of_json(data, file.name)
    found = _of_members([file])
    if {CONF_CERTIFICATE, CONF_PRIVATE_KEY} <= found.files.keys():
        return found
    if found.files:
        raise _refusal("bundle_is_single_file")
    raise _refusal("bundle_unknown")


def _unpack(data: bytes) -> list[UploadedFile]:
    """Return the files in a zip file, without their folders."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return list(_members(archive))
    except _READ_ERRORS as err:
        raise _refusal("bundle_damaged") from err


def _members(archive: zipfile.ZipFile) -> Iterator[UploadedFile]:
    members = [each for each in archive.infolist() if not each.is_dir()]
    if len(members) > MAX_MEMBERS:
        raise _refusal("bundle_too_large")
    left = MAX_UNPACKED_BYTES
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/")).name
        # What macOS adds is called "._" and the name of the file that it belongs to.
        if name.startswith("._"):
            continue
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise _refusal("bundle_encrypted")
        if member.compress_type not in _COMPRESSIONS:
            raise _refusal("bundle_damaged")
        with archive.open(member) as opened:
            # What a member says of its own size need not be true.
            content = opened.read(min(left, MAX_FILE_BYTES) + 1)
        left -= len(content)
        if left < 0 or len(content) > MAX_FILE_BYTES:
            raise _refusal("bundle_too_large")
        yield UploadedFile(name, content)


def _of_members(members: list[UploadedFile]) -> Bundle:
    """Return what several files have: what is written out counts more than what is found."""
    written = Bundle()
    files: dict[str, list[UploadedFile]] = {}
    endpoint = ""
    for member in members:
        if (data := _json(member.content)) is not None:
            written = _over(_of_json(data, member.name), written)
        elif fields := _fields_of(look_into(member.content)):
            for each in fields:
                files.setdefault(each, []).append(member)
        else:
            match = _AWS_ENDPOINT.search(decode(member.content))
            endpoint = endpoint or (match[0] if match else "")
    # The certificate of a thing may be one that it has signed itself.
    if CONF_CERTIFICATE not in files and CONF_PRIVATE_KEY in files:
        files |= {CONF_CERTIFICATE: files.pop(CONF_ROOT_CA, [])}
    texts = {CONF_ENDPOINT: endpoint, CONF_THING_NAME: _thing_name(members)}
    found = Bundle(
        texts={field: text for field, text in texts.items() if text},
        files={field: _joined(parts) for field, parts in files.items() if parts},
    )
    return _over(written, found)


def _over(first: Bundle, second: Bundle) -> Bundle:
    """Return what two bundles have, and where both have it, what the first has."""
    return Bundle(
        texts={**second.texts, **first.texts}, files={**second.files, **first.files}
    )


def _fields_of(findings: list[Finding]) -> set[str]:
    """Return the fields that a file is for, by what it holds."""
    fields: set[str] = set()
    if any(
        each.kind in {FileKind.PRIVATE_KEY, FileKind.ENCRYPTED_KEY} for each in findings
    ):
        fields.add(CONF_PRIVATE_KEY)
    certificates = [
        each.certificate for each in findings if each.certificate is not None
    ]
    if certificates:
        authorities = all(_is_authority(each) for each in certificates)
        fields.add(CONF_ROOT_CA if authorities else CONF_CERTIFICATE)
    return fields


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(
            x509.BasicConstraints
        )
    except x509.ExtensionNotFound, ValueError:
        return certificate.subject == certificate.issuer
    return constraints.value.ca


def _thing_name(members: list[UploadedFile]) -> str:
    """Return the thing's name as AWS's kit tells it: files are named after the thing."""
    names = {
        match[1]
        for member in members
        if (match := _NAMED_AFTER_THING.fullmatch(member.name))
    }
    return names.pop() if len(names) == 1 else ""


def _joined(parts: list[UploadedFile]) -> UploadedFile:
    if len(parts) == 1:
        return parts[0]
    names = ", ".join(part.name for part in parts)
    return UploadedFile(names, b"\n".join(part.content for part in parts))


def _json(data: bytes) -> Mapping[str, Any] | None:
    """Return the object that a file has as JSON, or None."""
    text = decode(data).lstrip("\ufeff")
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError, RecursionError:
        return None
    return found if isinstance(found, dict) else None


def _of_json(data: Mapping[str, Any], name: str) -> Bundle:
    """Return what an object has, at any place in it that is not too deep."""
    texts: dict[str, Any] = {}
    files: dict[str, UploadedFile] = {}
    for key, value in _pairs(data):
        found = _field(key)
        if (
            found == CONF_PORT
            and isinstance(value, int)
            and not isinstance(value, bool)
        ):
            texts.setdefault(found, value)
        elif found in _FILES and isinstance(value, str) and "-----BEGIN" in value:
            files.setdefault(found, UploadedFile(name, value.encode()))
        elif found in _TEXTS and isinstance(value, str):
            texts.setdefault(found, value.strip())
        elif found == CONF_PARAMETERS:
            texts.setdefault(found, _lines(value))
    return Bundle(
        texts={field: text for field, text in texts.items() if text}, files=files
    )


def _pairs(data: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[str, Any]]:
    """Yield the pairs of an object, then those of the objects in it."""
    yield from data.items()
    if depth < _MAX_DEPTH:
        for key, value in data.items():
            # The names in the parameters of a template are anybody's.
            if isinstance(value, dict) and _field(key) != CONF_PARAMETERS:
                yield from _pairs(value, depth + 1)


def _field(key: str) -> str | None:
    """Return the field that a name in JSON is for."""
    return _FIELDS.get(_NOT_IN_A_WORD.sub("", key.lower()))


def _lines(parameters: Any) -> str:
    """Return parameters as they are entered. Raises InvalidInputError."""
    try:
        return as_lines(
            parameters if isinstance(parameters, dict) else {"": parameters}
        )
    except ValueError as err:
        raise _refusal("bundle_parameters") from err


def _without_amazons_authority(bundle: Bundle) -> Bundle:
    """Leave out the authority of AWS's own endpoints.

    Amazon's authorities are trusted without it, and all of them: an old kit may bring one
    that does not sign any more.
    """
    if not is_amazons(str(bundle.texts.get(CONF_ENDPOINT, ""))):
        return bundle
    files = {key: file for key, file in bundle.files.items() if key != CONF_ROOT_CA}
    return Bundle(texts=bundle.texts, files=files)


def _refusal(error: str) -> InvalidInputError:
    return InvalidInputError({CONF_BUNDLE: error})
