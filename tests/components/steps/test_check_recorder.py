"""A step sees that the recorder really writes."""

from unittest.mock import Mock

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from custom_components.aws_iot_jobs.jobs.calls import CheckCall
from custom_components.aws_iot_jobs.jobs.home_steps import StepFailedError
from custom_components.aws_iot_jobs.steps import check, check_recorder
from custom_components.aws_iot_jobs.steps.check_recorder import EVENT_RECORDER_CHECK
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance, session_scope

from .trial import Trial

CALL = CheckCall(within=0.05, recorder=True)


@pytest.fixture
def database(quiet_database: None, recorder_mock: object) -> None:
    """Have Home Assistant's own."""


@pytest.fixture(autouse=True)
def nothing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing that does not come."""
    monkeypatch.setattr(check, "PAUSE_SECONDS", 0)


async def test_it_writes(hass: HomeAssistant, loaded: ConfigEntry) -> None:
    """What is fired now is read back, where it is not due to be written for long."""
    get_instance(hass).commit_interval = 3600
    trial = Trial(hass, loaded, CALL)
    assert await trial.problem() is None
    assert await trial.run() == ["recorder: an event of now is in its database"]


async def test_it_is_switched_off(hass: HomeAssistant, loaded: ConfigEntry) -> None:
    """Somebody may have forgotten to switch it on again."""
    get_instance(hass).set_enable(enable=False)
    with pytest.raises(StepFailedError, match=r"^recorder: it is not recording$"):
        await Trial(hass, loaded, CALL).run()


async def test_its_database_is_locked(
    hass: HomeAssistant, loaded: ConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a backup, which may never end."""
    recorder = get_instance(hass)
    assert await recorder.lock_database()
    monkeypatch.setattr(check_recorder, "LOOK_SECONDS", 0.2)
    try:
        with pytest.raises(
            StepFailedError, match=r"it has written nothing within 0\.2 s$"
        ):
            await Trial(hass, loaded, CALL).run()
    finally:
        recorder.unlock_database()
        monkeypatch.undo()
    assert await Trial(hass, loaded, CALL).run()


async def test_its_database_takes_nothing(
    hass: HomeAssistant, loaded: ConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full, say: the recorder goes on, but nothing comes of it."""
    recorder = get_instance(hass)
    recorder.db_retry_wait = 0

    def refuse(*, refused: bool) -> None:
        name = "no_room"
        with session_scope(hass=hass) as session:
            session.execute(
                text(
                    f"CREATE TRIGGER {name} BEFORE INSERT ON events"
                    " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
                    if refused
                    else f"DROP TRIGGER {name}"
                )
            )

    await recorder.async_add_executor_job(lambda: refuse(refused=True))
    with pytest.raises(StepFailedError, match=r"^recorder: "):
        await Trial(hass, loaded, CALL).run()
    assert "database or disk is full" in caplog.text
    await recorder.async_add_executor_job(lambda: refuse(refused=False))
    assert await Trial(hass, loaded, CALL).run()


async def test_it_leaves_the_event_out(
    hass: HomeAssistant, loaded: ConfigEntry
) -> None:
    """What does not reach the database is no proof."""
    get_instance(hass).exclude_event_types.add(EVENT_RECORDER_CHECK)
    with pytest.raises(
        StepFailedError, match=r"^recorder: an event of now is not in its database$"
    ):
        await Trial(hass, loaded, CALL).run()


async def test_its_database_cannot_be_read(
    hass: HomeAssistant, loaded: ConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no internal error of ours."""
    broken = Mock(side_effect=OperationalError("SELECT", {}, OSError("disk I/O error")))
    monkeypatch.setattr(check_recorder, "_is_there", broken)
    with pytest.raises(
        StepFailedError,
        match=r"^recorder: its database cannot be read: OperationalError$",
    ):
        await Trial(hass, loaded, CALL).run()
