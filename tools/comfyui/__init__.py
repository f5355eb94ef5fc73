"""A real ComfyUI for the tools and tests: its server, or its modules in a plain process."""
