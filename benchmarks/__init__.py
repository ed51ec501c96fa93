"""The benchmarks: what a job costs, against what it would cost at least.

What runs in processes of its own is in `programs`, and imports nothing of this package.
"""

# Before anything else: it answers for voluptuous.
import homeassistant  # noqa: F401
