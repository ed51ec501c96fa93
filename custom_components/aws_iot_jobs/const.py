"""Names that the modules of this integration share."""

from typing import Final

DOMAIN: Final = "aws_iot_jobs"

CONF_CERTIFICATE: Final = "certificate"
CONF_ENDPOINT: Final = "endpoint"
CONF_HANDLER_DIRECTORY: Final = "handler_directory"
CONF_PRIVATE_KEY: Final = "private_key"
CONF_ROOT_CA: Final = "root_ca"
CONF_THING_NAME: Final = "thing_name"
