"""Promotion: one image digest goes from rung to rung. Start it, watch it, approve it, stop it."""
