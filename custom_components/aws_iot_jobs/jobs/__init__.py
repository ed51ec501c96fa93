"""One thing's life with AWS IoT Jobs. Knows no Home Assistant."""
