"""Bring a project to another version of stepladder: its pin, its Terraform modules, and what else the template made."""
