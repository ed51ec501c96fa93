"""What a job document would do here is told, and nothing of it is done."""

import os
from pathlib import Path

import pytest

from custom_components.aws_iot_jobs.jobs.plan import (
    Plan,
    PlannedStep,
    StepKind,
    describe,
    plan_of,
)
from custom_components.aws_iot_jobs.runner.local import LocalRunner
from custom_components.aws_iot_jobs.runner.model import (
    StepCheck,
    StepNotCheckedError,
    StepRequest,
)

from .documents import command_step, document, handler_step

FACTS = {"thingName": ["thing-1"]}
URL = "https://bucket.s3.amazonaws.com/file.bin"
SIGNED = f"{URL}?X-Amz-Signature=opener"


class _Mute:
    """A runner that cannot say what it would do; it counts how often it was asked."""

    name = "mute"
    asked = 0

    async def check(self, request: StepRequest) -> StepCheck:
        self.asked += 1
        raise StepNotCheckedError("the runner at http://x does not answer")


@pytest.fixture
def runner(tmp_path: Path) -> LocalRunner:
    """Return a runner with an empty handler directory."""
    handlers = tmp_path / "handlers"
    handlers.mkdir(mode=0o700)
    return LocalRunner(handlers, tmp_path / "work")


def _handler(tmp_path: Path, name: str, mode: int = 0o700) -> str:
    file = tmp_path / "handlers" / name
    file.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    file.chmod(mode)
    return str(file)


async def test_plan(tmp_path: Path, runner: LocalRunner) -> None:
    """Each step in its order, the final one last; nothing is run or made."""
    file = _handler(tmp_path, "flash.sh")
    plan = await plan_of(
        document(
            handler_step("flash.sh", "/dev/ttyUSB0", timeoutSeconds=600),
            command_step("touch,ran", runAsUser="root"),
            finalStep=handler_step("missing.sh"),
        ),
        facts=FACTS,
        runner=runner,
        default_timeout=30,
    )
    flash, touch, missing = plan.steps
    assert flash == PlannedStep(
        step="flash.sh",
        step_index=1,
        kind=StepKind.HANDLER,
        command=(file, "", "/dev/ttyUSB0"),
        path=file,
        acts_as_root=os.geteuid() == 0,
        timeout=600,
    )
    assert (touch.kind, touch.command) == (StepKind.COMMAND, ("touch", "ran"))
    assert (touch.run_as_user, touch.acts_as_root) == ("root", True)
    assert touch.timeout == 30
    assert (missing.step_index, missing.path) == (3, None)
    assert missing.command == ("missing.sh", "")
    assert missing.problem == f"there is no handler 'missing.sh' in {tmp_path}/handlers"
    assert (plan.valid, plan.conditions_met, plan.is_clean) == (True, True, False)
    assert [child.name for child in tmp_path.iterdir()] == ["handlers"]


async def test_old_schema(tmp_path: Path, runner: LocalRunner) -> None:
    """A handler that gets its arguments alone."""
    file = _handler(tmp_path, "old.sh")
    old = {"operation": "old.sh", "args": ["x"], "path": "default"}
    plan = await plan_of(old, facts=FACTS, runner=runner)
    assert plan.is_clean
    assert plan.steps[0].command == (file, "x")
    assert plan.steps[0].timeout is None


async def test_document_that_cannot_be_read(runner: LocalRunner) -> None:
    """The field is named, and there are no steps."""
    plan = await plan_of({"version": "2.0"}, facts=FACTS, runner=runner)
    assert plan == Plan(
        valid=False, problem="version: must be the string \"1.0\", not '2.0'"
    )
    assert not plan.conditions_met


async def test_document_for_another_thing(tmp_path: Path, runner: LocalRunner) -> None:
    """What its steps would do is told all the same."""
    _handler(tmp_path, "flash.sh")
    conditions = [{"key": "thingName", "value": ["thing-2"]}]
    plan = await plan_of(
        document(handler_step("flash.sh"), conditions=conditions),
        facts=FACTS,
        runner=runner,
    )
    assert plan.valid
    assert not plan.conditions_met
    assert plan.unmet_condition == (
        "conditions[0]: thingName is 'thing-1', not 'thing-2'"
    )
    assert plan.steps[0].problem is None
    assert not plan.is_clean


async def test_no_secret_is_shown(tmp_path: Path, runner: LocalRunner) -> None:
    """Whoever has a presigned URL's query may download what it names."""
    _handler(tmp_path, "download.sh")
    plan = await plan_of(
        document(
            handler_step("download.sh", SIGNED),
            command_step(f"curl,{SIGNED}"),
            handler_step(SIGNED),
        ),
        facts=FACTS,
        runner=runner,
    )
    assert plan.steps[0].command[-1] == URL
    assert plan.steps[1].command == ("curl", URL)
    assert "opener" not in describe(plan)
    assert "opener" not in f"{plan} {[step.command for step in plan.steps]}"


async def test_runner_that_does_not_answer() -> None:
    """It is asked once; what the document has is shown."""
    mute = _Mute()
    plan = await plan_of(
        document(handler_step("a.sh", runAsUser="root"), command_step("true")),
        facts=FACTS,
        runner=mute,  # type: ignore[arg-type]
    )
    assert mute.asked == 1
    assert plan.unchecked == "the runner at http://x does not answer"
    assert [step.command for step in plan.steps] == [("a.sh", "root"), ("true",)]
    assert [step.acts_as_root for step in plan.steps] == [True, False]
    assert [step.problem for step in plan.steps] == [None, None]
    assert "Whether these steps can run is not known" in describe(plan)


def test_plain_words() -> None:
    """A line for each step: what, as whom, for how long, and what is wrong with it."""
    steps = (
        PlannedStep(
            step="Flash",
            step_index=1,
            kind=StepKind.HANDLER,
            command=("/handlers/flash.sh", "root", "", "a b"),
            run_as_user="root",
            acts_as_root=True,
            timeout=5400,
        ),
        PlannedStep(
            step="Tidy",
            step_index=2,
            kind=StepKind.COMMAND,
            command=("rm", "-r", "/tmp/x"),
            run_as_user="pi",
            timeout=12.5,
            problem="there is no user 'pi' on this system",
        ),
    )
    plan = Plan(unmet_condition="conditions[0]: a is 'b'", steps=steps)
    assert describe(plan).splitlines() == [
        "Not run: condition not met: `conditions[0]: a is 'b'`",
        (
            "1. `Flash`: handler `/handlers/flash.sh root '' 'a b'`, "
            "told to act as root, 1 h 30 min at most."
        ),
        (
            "2. `Tidy`: command from AWS `rm -r /tmp/x`, runs as `pi`, 12.5 s at most. "
            "**The step would fail:** `there is no user 'pi' on this system`"
        ),
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("![x](http://evil/)", "`![x](http://evil/)`", id="picture"),
        pytest.param("a`b``c", "``` a`b``c ```", id="backticks"),
        pytest.param("a\n2. b", r"`a\n2. b`", id="another line"),
        pytest.param("a\u202eb\x1b[2J", r"`a\u202eb\x1b[2J`", id="what turns text"),
        pytest.param("Größe", "`Größe`", id="letters"),
    ],
)
def test_a_name_says_nothing_but_itself(name: str, shown: str) -> None:
    """A document cannot make its plan look like another one."""
    step = PlannedStep(
        step=name, step_index=1, kind=StepKind.COMMAND, command=("true",)
    )
    assert describe(Plan(steps=(step,))) == f"1. {shown}: command from AWS `true`."
