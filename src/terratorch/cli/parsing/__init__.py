"""The user's configuration: files, the classes that they name, and the parser's messages."""
