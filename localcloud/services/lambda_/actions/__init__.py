"""Lambda's API actions."""
