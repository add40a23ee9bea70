"""`terratorch predict`: its options, its images, and the run."""
