"""Tests of the steps that run in Home Assistant itself."""
