"""Stage 4: people choose the best candidate of each object, or none, and mend its sentences."""
