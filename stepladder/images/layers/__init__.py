"""The layers builder: an image without an engine."""
