"""Destroy what a project has in AWS: one environment, or all of it. `stepladder/commands/destroy.py` asks first."""
