"""Video files: reading, writing, planes of samples and their colour coding."""
