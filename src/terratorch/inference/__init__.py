"""Tiled inference: the plan of tiles, blending, the engine, and the writer of maps."""
