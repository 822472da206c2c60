"""Releases: deploy, the update algorithm, the ledger, the environment lock, smoke cases, status and rollback."""
