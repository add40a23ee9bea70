"""Models: their contracts, the factories that build them, and their parts."""
