"""Sentences and conversations about generated scenes."""
