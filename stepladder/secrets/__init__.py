"""The values of secrets on their way to AWS's stores, and the stores' metadata of them. No value is read back."""
