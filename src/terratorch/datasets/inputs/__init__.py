"""What is read from image files, and what is done to it before a model sees it."""
