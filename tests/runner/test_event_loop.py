"""The event loop is Home Assistant's, and goes on while steps start."""

import json
from statistics import median, quantiles

import pytest

from .programs import run_program

pytestmark = pytest.mark.alone


def test_switching_users_does_not_stop_the_event_loop() -> None:
    """It takes about as long as any start, and far less than to fork a large process.

    The three are measured side by side, in turns, so that the machine's other work falls
    on all alike; the worst quarter of twenty starts is left to it.
    """
    measured = json.loads(run_program("event_loop"))
    plain, switched, forked = (
        measured[kind] for kind in ("plain", "switched", "forked")
    )
    assert len(plain) == len(switched) == len(forked) == 20
    assert quantiles(switched)[2] < median(forked) / 2
    dearer = median(switched) - median(plain)
    assert dearer < (median(forked) - median(plain)) / 4
