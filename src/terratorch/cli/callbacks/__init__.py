"""What the command line adds to a run: checkpoints, a summary, and the writer of predictions."""
