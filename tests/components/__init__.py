"""Tests of the integration, in a Home Assistant."""
