"""Training data: readers of data sets, procedurally drawn clips, and the requests about them."""
