"""The dashboard card: its own tests, and that what is built is what is in the repository."""
