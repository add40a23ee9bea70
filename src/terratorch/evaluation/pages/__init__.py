"""Self-contained HTML pages of runs and maps: one file each, without requests."""
