"""What happens in the app's container before its service, the runner, is there."""
