"""What became of a release or a promotion: its story from the ledger, histories, alarms and logs; causes; a page."""
