"""The build context: its files, `.dockerignore`, and what they must be."""
