"""Parsers of what people write: Dockerfile instructions, their words, commands of `RUN`."""
