"""HTTP: the server, its requests, which service a request is for, and what a browser may not ask."""
