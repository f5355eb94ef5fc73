"""Stage 6: the data set, its statistics and its card."""
