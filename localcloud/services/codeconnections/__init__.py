"""CodeConnections: connections to forges, which lead to repositories on this machine."""
