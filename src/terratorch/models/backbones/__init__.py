"""Backbones: a file per family, with its table of variants."""
