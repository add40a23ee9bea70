"""The types of output: how each is joined over tiles, stored, read back, drawn and summarised."""
