"""Checks of a sampling run before its first step: wires and patches that would do harm silently."""

from typing import Any

from comfy_extras.nodes_custom_sampler import Guider_DualCFG

from ...lgvi_core.errors import LGVIError
from .patches import check_patches

BRANCH_KEY = "lgvi_branch"
"""Key of a CONDITIONING's options that names the output of LGVI Video Conditioning it is from."""
TEXT_VIDEO, VIDEO, UNCONDITIONAL = "text_video", "video", "unconditional"

PLACES = {
    "positive": ({TEXT_VIDEO}, "cond1 of DualCFGGuider, or positive of a sampler"),
    "middle": ({VIDEO}, "cond2 of DualCFGGuider"),
    "negative": ({VIDEO, UNCONDITIONAL}, "negative"),
}
"""Outputs of LGVI Video Conditioning that fit a guider's conditioning, and its name on nodes."""
NOT_CALLED = {"sampler_pre_cfg_function", "sampler_calc_cond_batch_function"}
"""Entries of model_options that DualCFGGuider never calls."""


def check_branch(name: str, wanted: set[str], text: Any, options: dict[str, Any]) -> None:
    """Raise LGVIError where a conditioning is another output than one of `wanted`.

    `text` are its features, `name` is where it is connected. A conditioning whose text was zeroed
    on the way counts as any output.
    """
    branch = options.get(BRANCH_KEY)
    if branch is None or branch in wanted or text is None or not text.any():
        return
    raise LGVIError(
        f"the output {branch} of LGVI Video Conditioning is connected to {name}: connect "
        f"{' or '.join(sorted(wanted))} there. Are two wires swapped?"
    )


def check_run(guider: Any) -> None:
    """Raise LGVIError for conditionings and patches of a guider that cannot give a good result."""
    dual = isinstance(guider, Guider_DualCFG)
    for key, conds in guider.conds.items():
        wanted, name = PLACES.get(key, (set(), key))
        if key == "negative" and dual:
            wanted = {UNCONDITIONAL}
        for cond in conds if wanted else ():
            check_branch(name, wanted, cond.get("cross_attn"), cond)
            if key == "positive" and cond.get("concat_latent_image") is None:
                raise LGVIError(
                    "the sentence reaches the sampler without the source clip, so that the model "
                    "would invent one: put LGVI Video Conditioning between CLIPTextEncode and the "
                    "sampler, and connect its text_video here"
                )
    _check_options(guider.model_options, dual, getattr(guider, "nested", False))


def _check_options(options: dict[str, Any], dual: bool, nested: bool) -> None:
    transformer_options = options.get("transformer_options", {})
    check_patches(transformer_options)
    idle = {name for name in NOT_CALLED if options.get(name)} if dual else set()
    if dual and not nested and options.get("sampler_cfg_function"):
        idle.add("sampler_cfg_function")
    if idle:
        raise LGVIError(
            "a node between Load LGVI and the sampler changes the guidance (RescaleCFG, APG and "
            "others do so), but the guidance by text and video, in LGVI Sampler and DualCFGGuider, "
            "never asks it about the sentence: take that node out. RescaleCFG works with "
            "DualCFGGuider's style nested, and all of them with CFGGuider"
        )
    if options.get("context_handler") is None:
        return
    if any(transformer_options.get("patches_replace", {}).get("attn1", {})):
        raise LGVIError(
            "Self-Attention Guidance does not go with context windows, because it looks at all "
            "frames at once: take one of the two out"
        )
    if "easycache" in transformer_options:
        raise LGVIError(
            "EasyCache and LazyCache do not go with context windows, because what they keep "
            "belongs to another window in the next step: take one of the two out"
        )
