"""The settings: reading `invoke.yaml` and the environment, checking them, and what they derive."""
