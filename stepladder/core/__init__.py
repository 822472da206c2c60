"""Leaf facts: errors, the console, processes, files, Git, names, AWS clients, clock. They import nothing above."""
