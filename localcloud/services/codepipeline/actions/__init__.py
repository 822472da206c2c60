"""The actions that are offered, a module for each provider: `run(context)` does one, or raises `FailedAction`."""
