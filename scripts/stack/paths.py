"""Where the checkout keeps what the stack is made of."""

from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[2]
CUSTOM_COMPONENTS = ROOT / "custom_components"
HANDLERS = ROOT / "handlers"
AWS_SET_UP = ROOT / "docs" / "aws.md"
FLEET_TEMPLATE = ROOT / "cloudformation" / "fleet.yaml"

# The one that runs this has Home Assistant; the local AWS pins other versions of the same
# packages, so it has an environment of its own.
PYTHON = Path(sys.executable)
MINISTACK_ENVIRONMENT = ROOT / ".venv-ministack"
MINISTACK_PYTHON = MINISTACK_ENVIRONMENT / "bin" / "python"
AWS_CLI = MINISTACK_ENVIRONMENT / "bin" / "aws"
MINISTACK_LAUNCHER = Path(__file__).with_name("ministack_on_loopback.py")
DEMO_JOB = Path(__file__).with_name("demo-job.json")
