"""Small stand-ins for AWS, with the guards that a release leans on enforced as AWS enforces them."""
