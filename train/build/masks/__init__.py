"""Stage 2: from masks on some frames, or from words, to masks on all frames."""
