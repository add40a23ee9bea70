"""The command line: the only place with import side effects."""
