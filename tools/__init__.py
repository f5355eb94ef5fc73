"""Commands that build and measure the product; they are not part of what artists install."""
