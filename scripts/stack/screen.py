"""What a demo shows in a terminal: who did what, when."""

from collections.abc import Mapping
from datetime import datetime
import os
from pathlib import Path
from typing import TextIO

from .aws import Execution

GREEN = "32"
RED = "31"
YELLOW = "33"
BOLD = "1"
DIM = "2"

SOURCE_WIDTH = 16
# Those are shown in full when a job has ended, and are noise before.
LONG_DETAILS = ("reason", "stdout", "stderr")


class Screen:
    """Writes to a stream; in colour on a terminal. `gone` tells that nobody reads it."""

    def __init__(self, stream: TextIO) -> None:
        """Take the stream to write to."""
        self.gone = False
        self._stream = stream
        self._coloured = (
            stream.isatty()
            and "NO_COLOR" not in os.environ
            and os.environ.get("TERM") != "dumb"
        )

    def line(self, text: str = "") -> None:
        """Write a line as it is."""
        try:
            print(text, file=self._stream, flush=True)
        except OSError:
            # What has been started has to be ended all the same.
            self.gone = True
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())

    def heading(self, text: str) -> None:
        """Begin a new part."""
        self.line(f"\n{self._paint(BOLD, text)}")

    def done(self, what: str, detail: str, seconds: float) -> None:
        """Tell that something has been set up, and how long it took."""
        took = self._paint(DIM, f"({seconds:.1f} s)")
        self.line(f"  {self._paint(GREEN, '✓')} {what:<{SOURCE_WIDTH}}{detail}  {took}")

    def pair(self, name: str, value: str) -> None:
        """Write something to look up."""
        self.line(f"  {name:<{SOURCE_WIDTH}}{self._paint(BOLD, value)}")

    def event(self, source: str, text: str) -> None:
        """Tell what has just happened."""
        clock = self._paint(DIM, f"{datetime.now():%H:%M:%S.%f}"[:-5])
        self.line(f"  {clock}  {source:<{SOURCE_WIDTH}}{text}")

    def execution(self, execution: Execution) -> None:
        """Show a job execution as AWS describes it now."""
        details = execution.status_details
        brief = "  ".join(
            f"{name}={value}"
            for name, value in details.items()
            if name not in LONG_DETAILS
        )
        status = self._paint(_status_colour(execution), f"{execution.status:<12}")
        version = self._paint(DIM, f"version {execution.version_number}")
        self.event("AWS", f"{status} {version}  {brief}".rstrip())
        if execution.ended:
            self._long_details(details)

    def result(self, execution: Execution, seconds: float) -> None:
        """Sum up how a job ended."""
        mark = "✓" if execution.status == "SUCCEEDED" else "✗"
        status = self._paint(_status_colour(execution), f"{mark} {execution.status}")
        self.line(f"  {execution.job_id}  {status} after {seconds:.1f} s")

    def warning(self, text: str) -> None:
        """Tell of something that is not as it should be."""
        self.line(f"  {self._paint(YELLOW, '!')} {text}")

    def failure(self, text: str) -> None:
        """Tell why it does not go on."""
        self.line(f"\n{self._paint(RED, '✗')} {text}")

    def quote(self, text: str) -> None:
        """Show a part of a file."""
        for line in text.splitlines():
            self.line(f"    {self._paint(DIM, line)}")

    def _long_details(self, details: Mapping[str, str]) -> None:
        indent = " " * 14
        for name in LONG_DETAILS:
            for number, line in enumerate(details.get(name, "").splitlines()):
                label = "" if number else name
                self.line(f"{indent}{self._paint(DIM, f'{label:<8}')}{line}")

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text


def _status_colour(execution: Execution) -> str:
    if not execution.ended:
        return YELLOW
    return GREEN if execution.status == "SUCCEEDED" else RED
