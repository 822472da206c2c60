"""CloudFormation, as far as it is needed here."""
