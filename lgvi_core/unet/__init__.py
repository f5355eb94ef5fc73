"""The inflated U-Net with its mask decoder (paper Sec. 4.1)."""
