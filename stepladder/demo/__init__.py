"""The demo: its story, its steps, and the traffic that its function gets."""
