"""The Docker builder: build with an engine, read the result, push it."""
