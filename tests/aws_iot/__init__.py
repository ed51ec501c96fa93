"""Tests of what talks to AWS IoT: no Home Assistant."""
