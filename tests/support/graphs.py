"""Prompts of this pack's nodes for a server, and their outputs."""

import io

import numpy as np
import pytest
from PIL import Image

from tools.comfyui.server import PromptFailed
from tools.paths import ROOT

NODES = {
    "LGVI_LoadModel": "Load LGVI",
    "LGVI_VideoConditioning": "LGVI Video Conditioning",
    "LGVI_Sampler": "LGVI Sampler",
    "LGVI_MaskPreview": "LGVI Mask Preview",
    "LGVI_Composite": "LGVI Composite",
    "LGVI_ContextWindows": "LGVI Context Windows",
    "LGVI_BackgroundFromFrames": "LGVI Background From Frames",
    "LGVI_FindObject": "LGVI Find Object",
    "LGVI_CropToObject": "LGVI Crop To Object",
    "LGVI_StitchCrop": "LGVI Stitch Crop",
    "LGVI_CarryMask": "LGVI Carry Mask",
    "LGVI_FramesFromVideo": "LGVI Frames From Video",
    "LGVI_RemoveFromVideo": "LGVI Remove From Video",
    "LGVI_VideoFromFolder": "LGVI Video From Folder",
    "LGVI_CreateVideo": "LGVI Create Video",
    "LGVI_SaveExample": "LGVI Save Example",
    "LGVI_LoadChat": "Load LGVI Chat",
    "LGVI_Chat": "LGVI Chat",
}
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
CLIP = ROOT / "workflows" / "inputs" / "lgvi_sample.mp4"


def graph(frames=4, steps=2, size=64, model="tiny", sample=None, **composite):
    """A prompt from loading the sample video to compositing, with the random checkpoint."""
    mask = composite.pop("mask", ["sample", 1])
    return {
        "load": node("LGVI_LoadModel", model=model, dtype="auto"),
        "positive": node("CLIPTextEncode", clip=["load", 1], text="remove the red star"),
        "negative": node("CLIPTextEncode", clip=["load", 1], text=""),
        "video": node("LoadVideo", file="lgvi_sample.mp4"),
        "parts": node("GetVideoComponents", video=["video", 0]),
        "frames": node("ImageFromBatch", image=["parts", 0], batch_index=0, length=frames),
        "condition": node(
            "LGVI_VideoConditioning",
            positive=["positive", 0],
            negative=["negative", 0],
            vae=["load", 2],
            frames=["frames", 0],
            working_size=size,
        ),
        "sample": node(
            "LGVI_Sampler",
            model=["load", 0],
            text_video=["condition", 0],
            video=["condition", 1],
            unconditional=["condition", 2],
            latent=["condition", 3],
            seed=1,
            steps=steps,
            text_scale=3.0,
            video_scale=1.5,
            sampler="euler",
            scheduler="normal",
        )
        | (sample or {}),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["load", 2]),
        "composite": node(
            "LGVI_Composite",
            **{
                "source": ["frames", 0],
                "result": ["decode", 0],
                "mask": mask,
                "threshold": 0.5,
                "grow": 2,
                "feather": 2,
                **composite,
            },
        ),
        "show": node("PreviewImage", images=["composite", 0]),
    }


def chat_graph(request="remove the star", model="tiny-chat", length=8, seed=0, **chat):
    """A prompt from loading the sample video to a chat model's reply."""
    return {
        "load": node(
            "LGVI_LoadChat",
            model=model,
            precision="auto",
            device="auto",
            end_to_end_weights="the model's own",
        ),
        "video": node("LoadVideo", file="lgvi_sample.mp4"),
        "parts": node("GetVideoComponents", video=["video", 0]),
        "frames": node("ImageFromBatch", image=["parts", 0], batch_index=0, length=2),
        "chat": node(
            "LGVI_Chat",
            chat=["load", 0],
            frames=["frames", 0],
            request=request,
            seed=seed,
            temperature=0.2,
            max_length=length,
            **{"remember": False, **chat},
        ),
        "reply": node("PreviewAny", source=["chat", 0]),
        "prompt": node("PreviewAny", source=["chat", 1]),
        "history": node("PreviewAny", source=["chat", 4]),
    }


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def pictures(server, outputs, name="show"):
    """Images of a preview node: uint8 [n, h, w, 3]."""
    items = outputs[name]["images"]
    return np.stack([np.array(Image.open(io.BytesIO(server.file(i))))[..., :3] for i in items])


def failure(server, prompt):
    with pytest.raises(PromptFailed) as error:
        server.run(prompt)
    return error.value
