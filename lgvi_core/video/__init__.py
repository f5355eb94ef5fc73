"""Video files: reading, writing, planes of samples, and what their colours mean."""
