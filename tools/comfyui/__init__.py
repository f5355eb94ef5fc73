"""A real ComfyUI for the tools and tests: its server, and this pack inside a plain process."""
