"""A minute of chaos. `scripts/chaos` gives it more time, and other seeds."""

from pathlib import Path

import pytest
import pytest_socket

from .run import run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [20261124, 20261123], ids=["agent", "service"])
async def test_half_a_minute_of_chaos_violates_nothing(
    tmp_path: Path, socket_enabled: None, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Each job ends once, as it should, and each step is run once unless interrupted.

    The steps run in the agent itself, or in a service.
    """
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost"], allow_unix_socket=True)
    violations = await run(30, seed, tmp_path)
    assert violations == 0, capsys.readouterr().err
