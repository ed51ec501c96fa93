"""Names that the modules of this integration share."""

from datetime import timedelta
from typing import Final

DOMAIN: Final = "aws_iot_jobs"

CONF_CERTIFICATE: Final = "certificate"
CONF_DEFAULT_TIMEOUT: Final = "default_timeout"
CONF_ENDPOINT: Final = "endpoint"
CONF_HANDLER_DIRECTORY: Final = "handler_directory"
CONF_INSTALL_SAMPLES: Final = "install_samples"
CONF_OUTAGE_ALLOWANCE: Final = "outage_allowance"
CONF_PRIVATE_KEY: Final = "private_key"
CONF_ROOT_CA: Final = "root_ca"
CONF_RUNNER: Final = "runner"
CONF_RUNNER_TOKEN: Final = "runner_token"
CONF_THING_NAME: Final = "thing_name"

DEFAULT_OUTAGE_ALLOWANCE: Final = timedelta(minutes=30)
"""How long AWS waits for a thing that is offline before its timer ends a job."""
MAX_OUTAGE_ALLOWANCE: Final = timedelta(days=7)
"""AWS's own limit of a step timer."""
