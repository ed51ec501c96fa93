"""Signing job documents."""
