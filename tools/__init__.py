"""Commands that make and measure the product; artists do not install them."""
