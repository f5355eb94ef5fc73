"""The pack's and ComfyUI's modules, imported into the process of the tests."""

import importlib
from types import SimpleNamespace

import pytest

MODULES = {
    "chat_memory": "lgvi_pack.nodes.host.chat_memory",
    "chat_run": "lgvi_pack.nodes.host.chat_reply",
    "checkpoint": "lgvi_pack.lgvi_core.checkpoint.checkpoint",
    "comfy_chat": "lgvi_pack.nodes.host.chat_model",
    "comfy_checkpoint": "lgvi_pack.nodes.host.checkpoint",
    "comfy_model": "lgvi_pack.nodes.host.model",
    "conditioning": "lgvi_pack.nodes.host.conditioning",
    "conversation": "lgvi_pack.lgvi_core.chat.conversation",
    "custom": "comfy_extras.nodes_custom_sampler",
    "errors": "lgvi_pack.lgvi_core.errors",
    "files": "lgvi_pack.nodes.host.video_files",
    "first_look": "lgvi_pack.nodes.host.first_look",
    "guidance": "lgvi_pack.nodes.host.guidance",
    "graph_utils": "comfy_execution.graph_utils",
    "lora": "comfy.lora",
    "management": "comfy.model_management",
    "removal": "lgvi_pack.nodes.host.whole_video",
    "run_cache": "lgvi_pack.nodes.host.run_cache",
    "sample": "comfy.sample",
    "samplers": "comfy.samplers",
    "sampling": "lgvi_pack.nodes.host.sampling",
    "window_handler": "lgvi_pack.nodes.host.windows",
}


@pytest.fixture(scope="session")
def comfy(pack) -> SimpleNamespace:
    """Modules of the pack and of ComfyUI under short names."""
    modules = {name: importlib.import_module(path) for name, path in MODULES.items()}
    latest = importlib.import_module("comfy_api.latest")
    return SimpleNamespace(**modules, video=latest.InputImpl, types=latest.Types)


@pytest.fixture(scope="module")
def loaded(comfy, tiny_folder):
    """The random checkpoint in float32: (MODEL, CLIP, VAE)."""
    return comfy.comfy_checkpoint.create(comfy.checkpoint.load_checkpoint(tiny_folder), "fp32")
