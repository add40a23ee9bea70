"""From scenes in files to georeferenced products."""
