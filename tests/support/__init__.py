"""Helpers that several tests share: prompts, small models and small data sets."""
