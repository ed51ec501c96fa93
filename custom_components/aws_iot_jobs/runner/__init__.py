"""Run one step's process: from start to reaped, knowing neither Home Assistant nor AWS."""
