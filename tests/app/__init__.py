"""The app: its files, what is made of them, and its container."""
