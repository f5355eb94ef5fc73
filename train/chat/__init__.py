"""Training of the small chat model on generated conversations."""
