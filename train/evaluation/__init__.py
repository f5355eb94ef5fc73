"""What `train.evaluate` is made of: configuration, methods, measures, statistics and reports."""
