"""Training of LGVI: its configuration, networks, batches and objective (Sec. 4.1, Eq. 3)."""
