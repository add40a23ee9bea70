"""Maps as files: how they are stored, and complete or not there at all."""
