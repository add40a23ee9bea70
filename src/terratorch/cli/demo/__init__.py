"""`terratorch demo`: prepare a real Sentinel-2 land cover job, and report on its results."""
