"""The parts of `train.evaluate`: configuration, methods, measures, statistics and reports."""
