"""AWS's wire protocols: JSON, query and REST requests, and their answers."""
