"""Home Assistant as a program that takes itself for the version that is its first argument.

It is what a container with that version would run, as far as a version can be told.
"""

import sys

import homeassistant.const

vars(homeassistant.const)["__version__"] = sys.argv.pop(1)

# What is imported from here on knows no other version.
from homeassistant.__main__ import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
