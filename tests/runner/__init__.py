"""Tests of what runs the steps: real processes."""
