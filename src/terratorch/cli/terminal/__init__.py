"""The command line and the terminal: arguments as text, messages, errors."""
