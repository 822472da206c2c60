"""Forges and CI providers: which one runs this process, who started it, and what the forge can show.

A new one is one file here and one line in `registered.py`.
"""
