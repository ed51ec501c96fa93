"""Enrolling Home Assistants in a fleet, from where its operator works: scripts/enroll."""
