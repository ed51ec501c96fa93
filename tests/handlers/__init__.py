"""Tests of the handlers that come with the integration."""
