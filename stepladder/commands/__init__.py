"""One verb a module: what a task does, from settings to report. The only place where the rooms meet."""
