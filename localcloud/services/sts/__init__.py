"""STS: temporary credentials, of roles and of users."""
