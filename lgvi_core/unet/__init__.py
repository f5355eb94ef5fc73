"""The inflated U-Net with its mask decoder (Sec. 4.1)."""
