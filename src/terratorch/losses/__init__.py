"""Losses: pure functions, the modules around them, and the table of their names."""
