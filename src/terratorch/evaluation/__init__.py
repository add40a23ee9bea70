"""Evaluation: scores of chips, confidence intervals, and pages that show them."""
