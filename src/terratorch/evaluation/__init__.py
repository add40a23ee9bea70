"""How good a model is: scores of chips, intervals, pages to look at."""
