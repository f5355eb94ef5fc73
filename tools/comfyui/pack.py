"""Import of this pack into a plain Python process, beside ComfyUI's modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..paths import ROOT


def load_pack(comfyui: Path, cpu: bool = True, lowvram: bool = False) -> ModuleType:
    """Import the pack by its path, as ComfyUI does, under the name `lgvi_pack`.

    `cpu` and `lowvram` are ComfyUI's options of those names.
    """
    sys.path.insert(0, str(comfyui))
    import utils.extra_config  # noqa: F401  # first, as in ComfyUI: others have a "utils" too
    from comfy.cli_args import args

    args.cpu, args.lowvram = cpu, lowvram
    spec = importlib.util.spec_from_file_location(
        "lgvi_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lgvi_pack"] = module
    spec.loader.exec_module(module)
    return module
