"""The official model's size, without its weights."""

from lgvi_core.config import UNetConfig

OFFICIAL_UNET = UNetConfig.model_validate(
    {
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
        "temp_attn": True,
        "mask_decoder_type": "MaskDecoder",
        "mask_decoder_channels": 512,
    }
)
"""Configuration of the released U-Net: 933.6 million parameters with its mask decoder."""
