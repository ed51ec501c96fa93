"""The runner as a service, and the client that uses it."""
