"""The base image: from a registry, in a Docker engine, or this machine's own Python."""
