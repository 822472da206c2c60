"""Take Python code to AWS Lambda, one safe rung at a time."""

__version__ = "0.1.0"
