"""The runner, imported as the app does it: as a package of its own."""

from pathlib import Path
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from custom_components.aws_iot_jobs.runner import ending, local, model
else:
    integration = Path(__file__).parents[3] / "custom_components" / "aws_iot_jobs"
    sys.path.insert(0, str(integration))
    from runner import ending, local, model

__all__ = ["ending", "local", "model"]
