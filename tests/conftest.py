"""What all tests need."""

import signal

# Both before anything else. Home Assistant answers for voluptuous, and its test plugin
# brings a package of this name, which would be found instead of ours.
import homeassistant  # noqa: F401

import custom_components  # noqa: F401  # isort: skip

pytest_plugins = ["tests.side_by_side", "tests.skips"]

# Whoever runs the tests in the background may have these ignored. What is ignored stays
# so in all children, and some tests send them.
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
