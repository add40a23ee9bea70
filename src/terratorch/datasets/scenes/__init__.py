"""Scenes to predict: in one file or several, read at once or row by row."""
