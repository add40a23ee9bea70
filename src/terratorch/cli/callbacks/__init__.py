"""What the command line adds to a run: checkpoints, and the writer of predictions."""
