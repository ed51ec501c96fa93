"""Names that the modules of this integration share."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

DOMAIN: Final = "aws_iot_jobs"
DOCUMENTATION_URL: Final = "https://github.com/aws-iot-jobs/home-assistant-aws-iot-jobs"
"""Where the documentation is, as the manifest says."""

CONF_ALLOWED_ACTIONS: Final = "allowed_actions"
CONF_APPROVAL: Final = "approval"
CONF_APPROVAL_TIME_LIMIT: Final = "approval_time_limit"
CONF_BUNDLE: Final = "bundle"
CONF_CERTIFICATE: Final = "certificate"
CONF_CLAIM_CERTIFICATE: Final = "claim_certificate"
CONF_CLAIM_PRIVATE_KEY: Final = "claim_private_key"
CONF_DEFAULT_TIMEOUT: Final = "default_timeout"
CONF_ENDPOINT: Final = "endpoint"
CONF_FENCE_COMMANDS: Final = "fence_commands"
CONF_FENCE_HANDLERS: Final = "fence_handlers"
CONF_FENCE_HOME_ASSISTANT_STEPS: Final = "fence_home_assistant_steps"
CONF_FENCE_PATHS: Final = "fence_paths"
CONF_FENCE_PRESET: Final = "fence_preset"
CONF_FENCE_UPLOAD_HOSTS: Final = "fence_upload_hosts"
CONF_FENCE_USERS: Final = "fence_users"
CONF_HANDLER_DIRECTORY: Final = "handler_directory"
CONF_HISTORY_COUNT: Final = "history_count"
CONF_HISTORY_DAYS: Final = "history_days"
CONF_INSTALL_SAMPLES: Final = "install_samples"
CONF_LOG_KIB: Final = "log_kib"
CONF_OUTAGE_ALLOWANCE: Final = "outage_allowance"
CONF_PARAMETERS: Final = "parameters"
CONF_PRIVATE_KEY: Final = "private_key"
CONF_PROXY_HOST: Final = "proxy_host"
CONF_PROXY_PASSWORD: Final = "proxy_password"
CONF_PROXY_PORT: Final = "proxy_port"
CONF_PROXY_USER: Final = "proxy_user"
CONF_INVENTORY: Final = "inventory"
CONF_ONLY_SIGNED: Final = "only_signed"
CONF_PEEK: Final = "peek"
CONF_REPORT_VERSIONS: Final = "report_versions"
CONF_ROOT_CA: Final = "root_ca"
CONF_ROTATION: Final = "rotation"
CONF_ROTATION_TEMPLATE: Final = "rotation_template"
CONF_RUN_DOCUMENT: Final = "run_document"
CONF_RUNNER: Final = "runner"
CONF_RUNNER_TOKEN: Final = "runner_token"
CONF_SIGNING_KEY_FILE: Final = "signing_key_file"
CONF_SIGNING_KEYS: Final = "signing_keys"
CONF_TEMPLATE: Final = "template"
CONF_THING_NAME: Final = "thing_name"
CONF_WINDOW_DAYS: Final = "window_days"
CONF_WINDOW_FROM: Final = "window_from"
CONF_WINDOW_TO: Final = "window_to"

DEFAULT_OUTAGE_ALLOWANCE: Final = timedelta(minutes=30)
"""How long AWS waits for a thing that is offline before its timer ends a job."""
MAX_OUTAGE_ALLOWANCE: Final = timedelta(days=7)
"""AWS's own limit of a step timer."""

DEFAULT_APPROVAL_TIME_LIMIT: Final = timedelta(hours=24)
"""How long a job waits for approval."""
MAX_APPROVAL_TIME_LIMIT: Final = timedelta(days=7)
"""No timer of AWS is longer."""
DEFAULT_HISTORY_COUNT: Final = 50
DEFAULT_HISTORY_DAYS: Final = 90
DEFAULT_LOG_KIB: Final = 1024
"""How much of a job's output is kept, in KiB."""


class Weekday(StrEnum):
    """A day on which a maintenance window begins, in the order of `date.weekday`."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"
