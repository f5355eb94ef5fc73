"""Stage 3: each object removed with its mask grown by several widths, and how good each looks."""
