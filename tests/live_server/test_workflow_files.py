"""The workflow and blueprint files are those that tools/make_workflows.py writes."""

import pytest

from tools.make_workflows import content
from tools.workflows.designs import BLUEPRINTS, DESIGNS

WRITTEN_WITH = "0.3.75"


@pytest.mark.parametrize("name", [*DESIGNS, *BLUEPRINTS])
def test_files_are_up_to_date(server, name):
    if server.get("/system_stats")["system"]["comfyui_version"] != WRITTEN_WITH:
        pytest.skip(f"the files are written with ComfyUI {WRITTEN_WITH}")
    path, text = content(server.get("/object_info"), name)
    assert path.read_text(encoding="utf-8") == text, "run: python -m tools.make_workflows"
