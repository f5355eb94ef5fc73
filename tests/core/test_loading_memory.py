"""Reading weights maps them from the file; it does not copy them into memory."""

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lgvi_core.checkpoint.checkpoint import load_checkpoint
from lgvi_core.checkpoint.files import read_tensors
from lgvi_core.pipeline import LGVIPipeline

MIB = 1024 * 1024
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")


def anonymous() -> int:
    """Anonymous resident memory of this process in bytes: what is not backed by a file."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@needs_proc
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_reading_takes_a_tenth_of_the_file_at_most(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    weights = {str(i): torch.full((4, MIB), float(i)) for i in range(8)}
    if suffix == ".bin":
        torch.save(weights, path)
    else:
        save_file(weights, path)
    del weights
    before = anonymous()
    read = read_tensors(path)
    assert [float(tensor.sum()) for tensor in read.values()] == [4.0 * MIB * i for i in range(8)]
    assert anonymous() - before < 0.1 * path.stat().st_size


def test_an_old_pickle_is_read_as_well(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"a": torch.arange(3.0)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read_tensors(path)["a"], torch.arange(3.0))


def test_the_pipeline_uses_the_weights_where_they_are(tiny_folder, monkeypatch):
    checkpoint = load_checkpoint(tiny_folder)
    monkeypatch.setattr("lgvi_core.pipeline.load_checkpoint", lambda path: checkpoint)
    pipeline = LGVIPipeline.from_checkpoint(tiny_folder)
    for name, parameter in pipeline.unet.state_dict().items():
        assert parameter.data_ptr() == checkpoint.unet[name].data_ptr(), name
