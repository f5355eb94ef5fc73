"""Training data: procedurally made clips with the sentences that ask for a removal."""
