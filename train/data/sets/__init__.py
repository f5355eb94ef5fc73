"""Readers of data sets on disk: ROVI, GQA-Inpaint and WebDataset shards."""
