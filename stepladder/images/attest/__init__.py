"""What is attached to an image: the packages in it, what it was built from, and a signature of that."""
