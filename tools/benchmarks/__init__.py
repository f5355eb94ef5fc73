"""What `tools.benchmark` measures, and how."""
