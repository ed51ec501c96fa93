"""The parts of the integration that need no Home Assistant, for programs without it.

Importing this has `custom_components.aws_iot_jobs` be a package of which nothing is imported
but what is asked for: its own `__init__` would import Home Assistant.
"""

from pathlib import Path
import sys
from types import ModuleType

_ROOT = Path(__file__).parent.parent

_outer = ModuleType("custom_components")
_inner = ModuleType("custom_components.aws_iot_jobs")
for _package in (_outer, _inner):
    _package.__path__ = [str(_ROOT / _package.__name__.replace(".", "/"))]
    sys.modules[_package.__name__] = _package
# As after any import: mashumaro finds classes by the names of their modules.
_outer.aws_iot_jobs = _inner  # type: ignore[attr-defined]
