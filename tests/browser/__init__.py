"""What users see and do in a browser: a real Home Assistant with its real page."""
