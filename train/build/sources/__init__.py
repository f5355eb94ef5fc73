"""Stage 1: clips of published data sets and of one's own, taken into the state."""
