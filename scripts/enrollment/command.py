"""What a command of scripts/enroll is."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


class EnrollmentError(Exception):
    """Something that the operator asked for cannot be done; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: `summary` is its line in the help of all.

    `run` returns nothing and raises EnrollmentError.
    """

    summary: str
    description: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], None]
