"""Parts that all trainings share: the loop, checkpoints, progress, workers and safe file writes."""
