"""Self-contained HTML pages: what a run or a map looks like, in one file without requests."""
