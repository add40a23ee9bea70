"""Pure functions on tensors and state dicts: padding, freezing, key mapping, statistics."""
