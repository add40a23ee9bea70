"""Draw maps, scenes and samples; matplotlib is imported only when a figure is made."""
