"""Where handlers run, as Home Assistant sees it: here, in the app, at an address."""
