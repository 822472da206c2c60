"""Lambda: functions, versions, aliases, invocations."""
