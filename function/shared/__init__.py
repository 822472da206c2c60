"""What the functions of the promotion pipeline share. Standard library and boto3 only."""
