"""What every training here shares: the loop, checkpoints, progress, and files that stay whole."""
