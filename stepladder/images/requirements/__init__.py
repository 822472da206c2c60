"""Requirement files, lock files, and the packages that they install."""
