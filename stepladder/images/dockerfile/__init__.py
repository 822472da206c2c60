"""What a Dockerfile builds, as files and configuration, read without an engine."""
