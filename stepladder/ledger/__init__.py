"""The ledger in DynamoDB: its items, its table, the environment's lock."""
