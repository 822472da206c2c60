"""Where a function's code runs: environments, their pool, logs."""
