"""What is said of a job when AWS is asked for it, so that its start needs no other request.

notify-next brings the document of the job that is next. start-next begins it, and can say
which of its steps runs and how long AWS is to wait. But what is begun may be another job by
then, and one that was in progress keeps what it had: the answer tells.
"""

from ..aws_iot.model import JobExecution, JobStatus
from .approval import surely_needs_approval
from .conditions import unmet_condition
from .errors import InvalidJobDocumentError
from .reading import read_job
from .reasons import Reason
from .report import Report, reason_details, running_report
from .settings import AgentSettings
from .timers import NO_TIMER

NOTHING = Report()
WAITING = Report(details=reason_details(Reason.WAITING.text()))


def opening_of(announced: JobExecution | None, settings: AgentSettings) -> Report:
    """Return what to say with start-next of the job that AWS has announced, if of any."""
    if announced is None or announced.status is not JobStatus.QUEUED:
        return NOTHING
    try:
        document = read_job(announced, settings)
    except InvalidJobDocumentError:
        return NOTHING
    if unmet_condition(document.conditions, settings.facts):
        return NOTHING
    waits = surely_needs_approval(document, settings.approval)
    if waits is not False:
        return WAITING if waits else NOTHING
    report = running_report(
        document,
        0,
        default_timeout=settings.default_timeout,
        outage_allowance=settings.outage_allowance,
    )
    return Report(details=report.details, step_timer_minutes=_timer(report))


def has_taken(execution: JobExecution, opening: Report, wanted: Report) -> bool:
    """Tell whether AWS has for a job that it hands out what it is to have.

    `opening` is what it was told with the request, `wanted` what is true of the job.
    """
    if opening.details is None or opening.step_timer_minutes != _timer(wanted):
        return False
    if (minutes := opening.step_timer_minutes) is not None:
        left = execution.seconds_before_timed_out
        if left is None or left > minutes * 60:
            return False
    return opening.details == wanted.details == execution.status_details


def seconds_of_job(execution: JobExecution, opening: Report) -> int | None:
    """Return how many seconds a job has that was begun, None for any number.

    AWS tells of what ends first: when that is the step timer, the job's own is not known,
    and comes after all that its steps may take.
    """
    told, minutes = execution.seconds_before_timed_out, opening.step_timer_minutes
    if told is not None and minutes is not None and told > (minutes - 1) * 60:
        return None
    return told


def _timer(report: Report) -> int | None:
    """Return the step timer that start-next has to set: a job that begins has none."""
    return None if report.step_timer_minutes == NO_TIMER else report.step_timer_minutes
