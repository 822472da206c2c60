"""The climb: one image digest goes up the rungs. Start it, watch it, approve, stop."""
