"""Tests of the stack of a fleet, in the local AWS."""
