"""Stage 5: conversations about what was chosen (paper App. A.2, Fig. 11 to 13)."""
