"""What cookiecutter needs beside the files: rules for the answers, and how a new project is finished.

Standard library only, apart from `extension`, because it also runs where nothing but cookiecutter is installed.
"""
