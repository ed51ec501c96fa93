"""Tests of the Jobs agent: no Home Assistant."""
