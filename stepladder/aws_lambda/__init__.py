"""Lambda's functions and aliases, as the rest of stepladder sees them."""
