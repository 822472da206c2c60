"""Invoke tasks only, one module per noun. No logic: each body reads settings, calls the library, prints."""
