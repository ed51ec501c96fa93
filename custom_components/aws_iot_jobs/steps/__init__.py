"""Steps that run in Home Assistant itself: a module for each type."""
