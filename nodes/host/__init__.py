"""Everything that depends on ComfyUI's internals, so that the nodes do not have to."""
