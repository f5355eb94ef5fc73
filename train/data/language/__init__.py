"""Sentences and conversations about drawn scenes."""
