"""What importing the pack does to ComfyUI's process: nothing."""

import subprocess
import sys

from tools.paths import ROOT

SNAPSHOT = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
from comfy.cli_args import args
args.cpu = True
import comfy.sd, comfy.samplers, comfy.sample, comfy_extras.nodes_custom_sampler
import comfy_api.v0_0_2, latent_preview, folder_paths, node_helpers

def snapshot():
    return {
        (name, key): id(value)
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in ("comfy", "comfy_extras", "torch", "latent_preview")
        for key, value in list(vars(module).items())
        if callable(value)
    }

before, path, modules = snapshot(), list(sys.path), set(sys.modules)
spec = importlib.util.spec_from_file_location(
    "lgvi_pack", sys.argv[2] + "/__init__.py", submodule_search_locations=[sys.argv[2]]
)
module = importlib.util.module_from_spec(spec)
sys.modules["lgvi_pack"] = module
spec.loader.exec_module(module)
import asyncio

async def nodes():
    return await (await module.comfy_entrypoint()).get_node_list()

folder_paths.set_input_directory(sys.argv[3])

for node in asyncio.run(nodes()):
    node.GET_SCHEMA()
after = snapshot()
assert sys.path == path
assert all(after[key] == value for key, value in before.items())
print(sorted(n for n in set(sys.modules) - modules if not n.startswith("lgvi_pack")))
"""


def test_import_patches_nothing_and_loads_nothing_heavy(comfyui_path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SNAPSHOT, str(comfyui_path), str(ROOT), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "[]"
