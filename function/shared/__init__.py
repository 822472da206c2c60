"""What the three functions of the promotion pipeline share. Standard library and boto3 only."""
