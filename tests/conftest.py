"""What all tests need."""

# Both before anything else. Home Assistant answers for voluptuous, and its test plugin
# brings a package of this name, which would be found instead of ours.
import homeassistant  # noqa: F401

import custom_components  # noqa: F401  # isort: skip
