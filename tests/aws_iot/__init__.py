"""Tests of what talks to AWS IoT."""
