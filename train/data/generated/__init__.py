"""Clips that are drawn on demand, with what is asked about them, as a data set."""
