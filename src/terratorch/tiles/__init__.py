"""How a scene is cut into tiles, and how what a model gives for them is joined."""
