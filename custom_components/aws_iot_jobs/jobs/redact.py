"""Keeping what opens doors out of what is shown: the jobs' own rule."""

from .jobs.redact import without_signatures

__all__ = ["without_signatures"]
