"""What `terratorch` adds to Lightning: its CLI, its Trainer, checks and summaries of a run."""
