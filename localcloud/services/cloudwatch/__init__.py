"""CloudWatch: metrics, alarms and the rules between them."""
