"""Everything that knows ComfyUI's insides, so that the nodes do not have to."""
