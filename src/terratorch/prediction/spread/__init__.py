"""Spread the tiles of a prediction over the workers of a Ray cluster."""
