"""What calls a function: queues, schedules, URLs."""
