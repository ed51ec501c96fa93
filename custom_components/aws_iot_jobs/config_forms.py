"""The forms in which a thing is added and changed."""

from typing import Any, Final, override

import probatio

from homeassistant.const import CONF_PORT, CONF_URL
from homeassistant.helpers.selector import (
    BooleanSelector,
    FileSelector,
    FileSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .aws_iot.connection import DEFAULT_PORT
from .const import (
    CONF_BUNDLE,
    CONF_CERTIFICATE,
    CONF_CLAIM_CERTIFICATE,
    CONF_CLAIM_PRIVATE_KEY,
    CONF_ENDPOINT,
    CONF_HANDLER_DIRECTORY,
    CONF_INSTALL_SAMPLES,
    CONF_PARAMETERS,
    CONF_PRIVATE_KEY,
    CONF_PROXY_HOST,
    CONF_PROXY_PASSWORD,
    CONF_PROXY_PORT,
    CONF_PROXY_USER,
    CONF_ROOT_CA,
    CONF_RUNNER_TOKEN,
    CONF_TEMPLATE,
    CONF_THING_NAME,
)
from .forms import Form, folded

SECTION_MORE: Final = "more"
SECTION_PROXY: Final = "proxy"
EXAMPLE_ENDPOINT: Final = "a1b2c3d4e5f6g7-ats.iot.eu-west-1.amazonaws.com"


class _TakenBackFile(FileSelector):
    """A file in a section. Once it has been taken back, the page sends an empty text."""

    @override
    def __call__(self, data: Any) -> str:
        return "" if data == "" else super().__call__(data)


_TEXT = TextSelector()
_LINES = TextSelector(TextSelectorConfig(multiline=True))
_SECRET = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_PORT = NumberSelector(NumberSelectorConfig(mode=NumberSelectorMode.BOX))
_BUNDLE_FILE = FileSelector(
    FileSelectorConfig(accept=".zip,.json,.pem,application/zip,application/json")
)
_CERTIFICATE_FILE = FileSelector(
    FileSelectorConfig(accept=".pem,.crt,.cer,.der,application/x-x509-user-cert")
)
_PRIVATE_KEY_FILE = FileSelector(
    FileSelectorConfig(accept=".pem,.key,.der,.pk8,application/pkcs8")
)
_ROOT_CA_FILE = _TakenBackFile(
    FileSelectorConfig(accept=".pem,.crt,.cer,.der,application/x-x509-ca-cert")
)
_MORE = folded(
    {
        probatio.Optional(CONF_PORT, default=DEFAULT_PORT): _PORT,
        probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE,
    }
)
_PROXY = folded(
    {
        probatio.Optional(CONF_PROXY_HOST): _TEXT,
        probatio.Optional(CONF_PROXY_PORT): _PORT,
        probatio.Optional(CONF_PROXY_USER): _TEXT,
        probatio.Optional(CONF_PROXY_PASSWORD): _SECRET,
    }
)

# A bundle may have any of these, so none is required to submit the form. Fields for files are
# high: what is wrong at the fields before them is seen without scrolling.
THING = Form(
    "certificate",
    probatio.Schema(
        {
            probatio.Optional(CONF_BUNDLE): _BUNDLE_FILE,
            probatio.Optional(CONF_ENDPOINT): _TEXT,
            probatio.Optional(CONF_THING_NAME): _TEXT,
            probatio.Required(SECTION_MORE): _MORE,
            probatio.Required(SECTION_PROXY): _PROXY,
            probatio.Optional(CONF_CERTIFICATE): _CERTIFICATE_FILE,
            probatio.Optional(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        }
    ),
)
CLAIM = Form(
    "claim",
    probatio.Schema(
        {
            probatio.Optional(CONF_BUNDLE): _BUNDLE_FILE,
            probatio.Optional(CONF_ENDPOINT): _TEXT,
            probatio.Optional(CONF_TEMPLATE): _TEXT,
            probatio.Optional(CONF_PARAMETERS): _LINES,
            probatio.Required(SECTION_MORE): _MORE,
            probatio.Required(SECTION_PROXY): _PROXY,
            probatio.Optional(CONF_CLAIM_CERTIFICATE): _CERTIFICATE_FILE,
            probatio.Optional(CONF_CLAIM_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        }
    ),
)
RENEWAL = Form(
    "reauth_confirm",
    probatio.Schema(
        {
            probatio.Optional(CONF_BUNDLE): _BUNDLE_FILE,
            probatio.Optional(CONF_CERTIFICATE): _CERTIFICATE_FILE,
            probatio.Optional(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
            probatio.Required(SECTION_MORE): folded(
                {probatio.Optional(CONF_ROOT_CA): _ROOT_CA_FILE}
            ),
        }
    ),
)
CONNECTION = Form(
    "connection",
    probatio.Schema(
        {
            probatio.Optional(CONF_BUNDLE): _BUNDLE_FILE,
            probatio.Required(CONF_ENDPOINT): _TEXT,
            probatio.Required(SECTION_MORE): _MORE,
            probatio.Required(SECTION_PROXY): _PROXY,
            probatio.Optional(CONF_CERTIFICATE): _CERTIFICATE_FILE,
            probatio.Optional(CONF_PRIVATE_KEY): _PRIVATE_KEY_FILE,
        }
    ),
)
LOCAL = Form(
    "local",
    probatio.Schema(
        {
            probatio.Optional(CONF_HANDLER_DIRECTORY): _TEXT,
            probatio.Required(CONF_INSTALL_SAMPLES, default=True): BooleanSelector(),
        }
    ),
)
ADDRESS = Form(
    "address",
    probatio.Schema(
        {
            probatio.Required(CONF_URL): _TEXT,
            probatio.Required(CONF_RUNNER_TOKEN): _SECRET,
        }
    ),
)
