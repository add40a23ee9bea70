"""Scenes from files to maps: read, run and written at the same time, here or on other machines."""
