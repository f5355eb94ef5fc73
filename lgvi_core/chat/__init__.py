"""The chat model of LGVI-I: a LLaVA whose reply says, between marks, what to remove."""
