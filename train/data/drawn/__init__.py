"""Procedurally drawn scenes and clips, from which the bundled models learn."""
