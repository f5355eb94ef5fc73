"""Reading, checking, writing and downloading the files of a model."""
