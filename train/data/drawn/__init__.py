"""Procedurally drawn scenes and clips: the training data of the bundled models."""
