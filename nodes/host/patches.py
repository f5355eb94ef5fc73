"""Patches of ComfyUI's model nodes in our U-Net: those that fit work, others are refused in words.

FreeU, Self-Attention Guidance, Perturbed-Attention Guidance, HyperTile and ToMe were made for
Stable Diffusion's U-Net, from which ours is inflated: its blocks have the same numbers, and a frame
takes the place of an image.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...lgvi_core.errors import LGVIError
from ...lgvi_core.unet.attention import Attention

if TYPE_CHECKING:
    from .model import ComfyUNet

Options = dict[str, Any]
"""ComfyUI's transformer_options."""
Block = tuple[str, int]
"""ComfyUI's name of a block: 'input', 'middle' or 'output', and its number there."""

PATCHES = {"attn1_patch", "attn1_output_patch", "output_block_patch"}
REPLACEMENTS = {"attn1"}
DOWNSCALE = {"input_block_patch", "input_block_patch_after_skip"}


def check_patches(options: Options) -> None:
    """Raise LGVIError for patches of `options` that LGVI's U-Net has no place for."""
    patches = {name for name, given in options.get("patches", {}).items() if given}
    replaced = {name for name, given in options.get("patches_replace", {}).items() if given}
    if patches & DOWNSCALE:
        raise LGVIError(
            "PatchModelAddDownscale (Kohya's deep shrink) does not fit LGVI: take it out, and "
            "lower working_size instead"
        )
    unfit = sorted((patches - PATCHES) | (replaced - REPLACEMENTS))
    if unfit:
        raise LGVIError(
            f"a node between Load LGVI and the sampler patches {', '.join(unfit)}, which this "
            "model does not have (Skip Layer Guidance, IP-Adapter, and patches for other models do "
            "so): take that node out"
        )


@contextmanager
def patched(unet: "ComfyUNet", options: Options, shape: torch.Size) -> Iterator[None]:
    """Apply the patches of `options` to the U-Net in this block; without any, change nothing.

    `shape` [(conds frames), c, h, w] is that of the latents. Raises LGVIError as `check_patches`.
    """
    if not any(options.get("patches", {}).values()) and not any(
        options.get("patches_replace", {}).values()
    ):
        yield
        return
    check_patches(options)
    options = {**options, "original_shape": list(shape)}
    handles = [*_attention_hooks(unet, options), *_skip_hooks(unet, options)]
    try:
        yield
    finally:
        unet.host_attention.replacement = None
        for handle in handles:
            handle.remove()


def _blocks(unet: Any) -> Iterator[tuple[Block, nn.Module | None]]:
    """Yield ComfyUI's name of every block that has a transformer in it, and the transformer."""
    number = 1
    for block in unet.down_blocks:
        for i in range(len(block.resnets)):
            yield ("input", number), None if block.attentions is None else block.attentions[i]
            number += 1
        number += block.downsamplers is not None
    yield ("middle", 0), unet.mid_block.attentions[0]
    number = 0
    for block in unet.up_blocks:
        for i in range(len(block.resnets)):
            yield ("output", number), None if block.attentions is None else block.attentions[i]
            number += 1


def _attention_hooks(unet: Any, options: Options) -> Iterator[Any]:
    """Hook the spatial self-attention of every transformer."""
    patches = options.get("patches", {})
    before, after = patches.get("attn1_patch", []), patches.get("attn1_output_patch", [])
    replacements = options.get("patches_replace", {}).get("attn1", {})
    for block, transformer in _blocks(unet):
        if transformer is None:
            continue
        blocks: Any = transformer.transformer_blocks
        attention = blocks[0].attn1
        inner = attention.to_q.weight.shape[0]
        extra = {
            **options,
            "block": block,
            "block_index": 0,
            "n_heads": attention.heads,
            "dim_head": inner // attention.heads,
            "attn_precision": torch.float32 if attention.upcast else None,
        }
        replacement = replacements.get((*block, 0), replacements.get(block))
        if before or replacement is not None:
            hook = partial(_before_attention, unet, before, replacement, extra)
            yield attention.register_forward_pre_hook(hook)
        if after or replacement is not None:
            yield attention.register_forward_hook(partial(_after_attention, unet, after, extra))


def _before_attention(
    unet: "ComfyUNet",
    patches: list[Callable[..., Any]],
    replacement: Callable[..., Tensor] | None,
    extra: Options,
    attention: Attention,
    inputs: tuple[Tensor],
) -> tuple[Any, ...]:
    query, context, value = inputs[0], inputs[0], inputs[0]
    for patch in patches:
        query, context, value = patch(query, context, value, extra)
    if replacement is not None:
        unet.host_attention.replacement = partial(_replaced, replacement, extra)
    return query, (attention.to_k(context), attention.to_v(value))


def _replaced(
    replacement: Callable[..., Tensor], extra: Options, query: Tensor, key: Tensor, value: Tensor
) -> Tensor:
    return replacement(query, key, value, extra)


def _after_attention(
    unet: "ComfyUNet",
    patches: list[Callable[..., Tensor]],
    extra: Options,
    _module: nn.Module,
    _inputs: tuple[Any, ...],
    output: Tensor,
) -> Tensor:
    unet.host_attention.replacement = None
    for patch in patches:
        output = patch(output, extra)
    return output


def _skip_hooks(unet: Any, options: Options) -> Iterator[Any]:
    """Hook the residual blocks of the up blocks, whose input is joined to a skip connection."""
    patches = options.get("patches", {}).get("output_block_patch", [])
    if not patches:
        return
    number, width = 0, unet.config.block_out_channels[-1]
    for block in unet.up_blocks:
        for resnet in block.resnets:
            block_options = {**options, "block": ("output", number)}
            hook = partial(_before_up, patches, block_options, width)
            yield resnet.register_forward_pre_hook(hook)
            number, width = number + 1, resnet.conv1.weight.shape[0]


def _before_up(
    patches: list[Callable[..., tuple[Tensor, Tensor]]],
    options: Options,
    width: int,
    _module: nn.Module,
    inputs: tuple[Any, ...],
) -> tuple[Any, ...]:
    joined, *others = inputs
    # Patches may write into what they are given.
    x, skip = joined[:, :width].clone(), joined[:, width:].clone()
    for patch in patches:
        x, skip = patch(x, skip, options)
    return torch.cat([x, skip], dim=1), *others
