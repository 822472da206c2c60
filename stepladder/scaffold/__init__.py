"""Make a new project from the template that ships with stepladder."""
