"""What runs a function's code: a process of this machine, or a container of a Docker engine."""
