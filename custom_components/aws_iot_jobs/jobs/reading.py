"""Read what a job is to do: first who says so, then what, and whether this home lets it."""

from collections.abc import Iterable
from dataclasses import replace

from ..aws_iot.model import JobExecution
from .document import JobDocument
from .fences import read_document
from .settings import AgentSettings
from .signed import Opened, SignedJob, open_document, refuse_replay


def open_job(
    execution: JobExecution,
    settings: AgentSettings,
    *,
    is_local: bool = False,
    run_before: Iterable[SignedJob] = (),
) -> Opened:
    """Return the document of a job, out of what was signed.

    One that somebody here has run needs no signature, and has no name that it could be
    signed for. `run_before` are the signed jobs of which it must be none. Raises
    NotTrustedError.
    """
    trust = settings.trust
    opened = open_document(
        execution.document,
        replace(trust, only_signed=trust.only_signed and not is_local),
        thing_name=settings.connection.thing_name,
        job_id=None if is_local else execution.key.job_id,
    )
    refuse_replay(execution.key, opened, run_before)
    return opened


def read_job(execution: JobExecution, settings: AgentSettings) -> JobDocument:
    """Return what a job of AWS says, if it may be run.

    Raises InvalidJobDocumentError, with FencedOffError and NotTrustedError among it.
    """
    return read_document(open_job(execution, settings).document, settings.fences)
