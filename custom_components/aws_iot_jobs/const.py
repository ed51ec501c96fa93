"""Names that the modules of this integration share."""

from typing import Final

DOMAIN: Final = "aws_iot_jobs"

CONF_CERTIFICATE: Final = "certificate"
CONF_DEFAULT_TIMEOUT: Final = "default_timeout"
CONF_ENDPOINT: Final = "endpoint"
CONF_HANDLER_DIRECTORY: Final = "handler_directory"
CONF_INSTALL_SAMPLES: Final = "install_samples"
CONF_PRIVATE_KEY: Final = "private_key"
CONF_ROOT_CA: Final = "root_ca"
CONF_RUNNER: Final = "runner"
CONF_RUNNER_TOKEN: Final = "runner_token"
CONF_THING_NAME: Final = "thing_name"
