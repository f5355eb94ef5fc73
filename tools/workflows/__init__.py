"""The descriptions from which the workflow and blueprint files are made."""
