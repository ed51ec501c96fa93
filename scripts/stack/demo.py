"""The demo: a job's whole way, from AWS to Home Assistant and back."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
import json
from pathlib import Path
import shutil
import signal
import sys
import tempfile
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .aws import Execution
from .config_flow import ConfigFlowError
from .dashboard import add_dashboard
from .fleet_demo import demo_fleet
from .hints import show_hints
from .options import Job, Options, read_options
from .process import StackError, free_ports, log_tail
from .screen import Screen
from .stage import Stage, set_stage
from .watch import TOGETHER_SECONDS, show_home, show_job, show_new_jobs

FOLDER_PREFIX = "aws-iot-jobs-demo-"
USUAL_PORT = 8123
SHOWN_SECONDS = 5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo; return the exit status."""
    options = read_options()
    screen = Screen(sys.stderr if options.json else sys.stdout)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    status = 1
    try:
        demo = _demo if options.fleet is None else demo_fleet
        status = asyncio.run(_until_signal(demo(options, screen, folder)))
    except* (StackError, ConfigFlowError, BotoCoreError) as errors:
        _tell(screen, errors)
    finally:
        _clean_up(screen, folder, keep_logs=status == 1)
    return status


async def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Return what `work` returns, or 128 and the signal that has ended it."""
    task = asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def cancel(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, cancel, number)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + received[0]


async def _demo(options: Options, screen: Screen, folder: Path) -> int:
    screen.heading("AWS IoT Jobs for Home Assistant")
    for_programs = options.json and not options.once
    by_hand = not (options.once or options.json)
    [port] = free_ports(1, preferred=[USUAL_PORT] if by_hand else [])
    async with (
        set_stage(folder, screen, handlers=options.handlers, port=port) as stage,
        _home_shown(stage, screen),
    ):
        if not options.once:
            await add_dashboard(stage.home, stage.entities["Job"])
        if for_programs:
            print(_ready_line(stage), flush=True)
        ended = [await _run(stage, screen, options, job) for job in options.jobs]
        if not options.once:
            if by_hand:
                await show_hints(stage, screen)
            await _stay(stage, screen, {job.job_id for job in options.jobs})
    blocking_calls = stage.home.blocking_calls()
    for line in blocking_calls:
        screen.warning(f"Home Assistant's log: {line}")
    return 0 if not options.once or (all(ended) and not blocking_calls) else 1


@asynccontextmanager
async def _home_shown(stage: Stage, screen: Screen) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(show_home(stage, screen))
        yield
        showing.cancel()


async def _run(stage: Stage, screen: Screen, options: Options, job: Job) -> bool:
    """Create a job and tell how it goes on; return whether it has ended in time."""
    started = time.monotonic()
    try:
        await stage.aws.create_job(stage.thing, job.document, job_id=job.job_id)
    except ClientError as err:
        raise StackError(f"AWS refuses the job {job.job_id}: {err}") from None
    try:
        async with asyncio.timeout(options.timeout if options.once else None):
            await show_job(stage, screen, job.job_id)
    except TimeoutError:
        screen.warning(f"{job.job_id} has not ended after {options.timeout:g} s")
    seconds = time.monotonic() - started
    execution = await stage.aws.describe_execution(stage.thing, job.job_id)
    if execution.ended:
        await _wait_until_shown(stage, screen, execution)
    else:
        # Those after it wait for its end.
        await stage.aws.cancel_job(job.job_id, force=True)
    screen.result(execution, seconds)
    if options.json and options.once:
        print(_json_line(execution, seconds), flush=True)
    return execution.ended


async def _wait_until_shown(stage: Stage, screen: Screen, execution: Execution) -> None:
    """Wait until Home Assistant shows what has become of its job."""
    shown = (execution.status.lower(), execution.job_id)
    try:
        await stage.home.wait_for_state(
            stage.entities["Last job result"],
            lambda state: (state.state, state.attributes.get("job_id")) == shown,
            seconds=SHOWN_SECONDS,
        )
    except TimeoutError, ConnectionError:
        screen.warning(f"Home Assistant does not show that it is {execution.status}")
    # Until it is told, too.
    await asyncio.sleep(2 * TOGETHER_SECONDS)


def _ready_line(stage: Stage) -> str:
    """Return where everything is, and what opens it, for a program that uses the demo."""
    aws = stage.aws
    return json.dumps(
        {
            "homeAssistant": stage.home.url,
            "token": stage.home.token,
            "aws": aws.endpoint_url,
            "accessKeyId": aws.access_key_id,
            "secretAccessKey": aws.secret_access_key,
            "thing": stage.thing.name,
            "mqtt": f"mqtts://{aws.mqtt_host}:{aws.mqtt_port}",
        }
    )


def _json_line(execution: Execution, seconds: float) -> str:
    return json.dumps(
        {
            "jobId": execution.job_id,
            "status": execution.status,
            "statusDetails": dict(execution.status_details),
            "versionNumber": execution.version_number,
            "seconds": round(seconds, 3),
        }
    )


async def _stay(stage: Stage, screen: Screen, known: set[str]) -> None:
    """Tell of all that happens, until a signal comes or nobody reads it."""
    try:
        await show_new_jobs(stage, screen, known)
    except asyncio.CancelledError:
        # The signal is how the user ends it: no reason to break anything off.
        task = asyncio.current_task()
        if task is None or not task.uncancel():
            return
        raise


def _tell(screen: Screen, errors: BaseExceptionGroup) -> None:
    for err in errors.exceptions:
        if isinstance(err, BaseExceptionGroup):
            _tell(screen, err)
        elif isinstance(err, ConfigFlowError):
            screen.failure("The dialog of the integration does not take it:")
            for field, words in err.errors.items():
                screen.line(f"  {field}: {words}")
        else:
            screen.failure(f"{err}")
            log = getattr(err, "log", None)
            if log:
                screen.quote(log_tail(log))


def _clean_up(screen: Screen, folder: Path, *, keep_logs: bool) -> None:
    """Remove the folder, but for the logs if something has gone wrong."""
    logs = list(folder.glob("*/*.log"))
    if keep_logs and logs:
        kept = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}logs-"))
        for log in logs:
            shutil.move(log, kept)
        screen.line(f"The logs are in {kept}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
