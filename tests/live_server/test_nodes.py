"""The nodes in a real ComfyUI server, as artists and their workflows meet them."""

import json
import re
import shutil
import threading
import time

import pytest

from support.graphs import CLIP, NODES, WORKFLOWS, failure, graph, node, pictures
from tools.comfyui.server import PACK_NAME, PromptFailed
from tools.comfyui.workflow import load_workflow, to_prompt
from tools.demo import describe, differences
from tools.sam3_nodes import with_sam3, without_sam3


def test_nodes_are_there_with_help_on_everything(server):
    info = server.get("/object_info")
    assert {k: info[k]["display_name"] for k in info if k.startswith("LGVI")} == NODES
    for name in NODES:
        assert info[name]["description"]
        assert info[name]["category"] == "LGVI"
        for part in ("required", "optional"):
            for input_name, spec in info[name]["input"].get(part, {}).items():
                assert spec[1].get("tooltip"), f"{name}.{input_name}"
        assert all(info[name]["output_tooltips"])


def test_import_takes_less_than_half_a_second(server):
    line = re.search(rf"([\d.]+) seconds: .*{PACK_NAME}", server.log_text())
    assert line is not None
    assert float(line[1]) < 0.5
    assert "IMPORT FAILED" not in server.log_text()


def test_templates_list_the_workflows(server):
    names = server.get("/workflow_templates")[PACK_NAME]
    assert set(names) == {path.stem for path in WORKFLOWS}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_workflow_runs_and_changes_neither_size_nor_length_nor_sound(server, path, tmp_path):
    workflow = load_workflow(path)
    info = with_sam3(server.get("/object_info"))
    outputs = server.run(without_sam3(to_prompt(workflow, info)))
    for saved in (n for n in workflow["nodes"] if n["type"] == "SaveVideo"):
        video = tmp_path / f"{saved['title']}.mp4"
        video.write_bytes(server.file(outputs[str(saved["id"])]["images"][0]))
        expected = describe(CLIP)
        if saved["title"] != "Result":
            expected["seconds of sound"] = None
        assert differences(expected, describe(video)) == []


def test_outside_the_mask_nothing_changes(server):
    prompt = graph(frames=3)
    prompt["opacity"] = node("MaskToImage", mask=["composite", 1])
    prompt["show_opacity"] = node("PreviewImage", images=["opacity", 0])
    prompt["show_source"] = node("PreviewImage", images=["frames", 0])
    outputs = server.run(prompt)
    result, source = pictures(server, outputs), pictures(server, outputs, "show_source")
    opacity = pictures(server, outputs, "show_opacity")[..., 0]
    # The previews round opacities to bytes, so that a few pixels only seem to be untouched.
    assert (result[opacity == 0] == source[opacity == 0]).mean() > 0.999
    assert (opacity == 0).any()
    assert (opacity > 0).any()


def test_a_mask_from_elsewhere_and_an_empty_one(server):
    prompt = graph(frames=2, mask=["empty", 0])
    prompt["empty"] = node("SolidMask", value=0.0, width=320, height=192)
    prompt["show_source"] = node("PreviewImage", images=["frames", 0])
    outputs = server.run(prompt)
    assert (pictures(server, outputs) == pictures(server, outputs, "show_source")).all()


def test_same_latents_through_stock_nodes(server):
    prompt = graph(frames=2, steps=3)
    prompt["noise"] = node("RandomNoise", noise_seed=1)
    prompt["guider"] = node(
        "DualCFGGuider",
        model=["load", 0],
        cond1=["condition", 0],
        cond2=["condition", 1],
        negative=["condition", 2],
        cfg_conds=3.0,
        cfg_cond2_negative=1.5,
        style="regular",
    )
    prompt["method"] = node("KSamplerSelect", sampler_name="euler")
    prompt["sigmas"] = node(
        "BasicScheduler", model=["load", 0], scheduler="normal", steps=3, denoise=1.0
    )
    prompt["stock"] = node(
        "SamplerCustomAdvanced",
        noise=["noise", 0],
        guider=["guider", 0],
        sampler=["method", 0],
        sigmas=["sigmas", 0],
        latent_image=["condition", 3],
    )
    prompt["stock_frames"] = node("VAEDecode", samples=["stock", 0], vae=["load", 2])
    prompt["show_stock"] = node("PreviewImage", images=["stock_frames", 0])
    prompt["show_ours"] = node("PreviewImage", images=["decode", 0])
    outputs = server.run(prompt)
    ours, stock = pictures(server, outputs, "show_ours"), pictures(server, outputs, "show_stock")
    assert (ours == stock).all()


def sample_by_ksampler(prompt, positive, negative, latent):
    """Put KSampler in the place of LGVI Sampler, and a full mask in that of the predicted one."""
    prompt["sample"] = node(
        "KSampler",
        model=["load", 0],
        positive=positive,
        negative=negative,
        latent_image=latent,
        seed=1,
        steps=2,
        cfg=3.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
    )
    prompt["full"] = node("SolidMask", value=1.0, width=320, height=192)
    prompt["composite"]["inputs"]["mask"] = ["full", 0]


def test_stock_conditioning_and_ksampler_work(server):
    prompt = graph(frames=2)
    prompt["condition"] = node(
        "InstructPixToPixConditioning",
        positive=["positive", 0],
        negative=["negative", 0],
        vae=["load", 2],
        pixels=["frames", 0],
    )
    sample_by_ksampler(prompt, ["condition", 0], ["condition", 1], ["condition", 2])
    outputs = server.run(prompt)
    assert pictures(server, outputs).shape == (2, 192, 320, 3)


def test_context_windows_run_a_long_clip(server):
    prompt = graph(frames=24, size=64)
    prompt["windows"] = node("LGVI_ContextWindows", model=["load", 0], length=6, overlap=2)
    prompt["sample"]["inputs"]["model"] = ["windows", 0]
    assert len(pictures(server, server.run(prompt))) == 24


def test_unknown_model_is_refused_when_queued(server):
    error = failure(server, graph(model="../../secrets"))
    assert "LGVI model '../../secrets' is not there" in str(error)
    assert error.details["node_errors"]["load"]["class_type"] == "LGVI_LoadModel"


def test_broken_model_is_named_and_a_mended_one_loads(server, tiny_folder):
    folder = server.base / "models" / "lgvi" / "mended"
    shutil.copytree(tiny_folder, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-10])
    error = failure(server, graph(model="mended"))
    assert error.details["node_id"] == "load"
    assert str(weights) in str(error)
    assert "truncated" in str(error)
    weights.write_bytes(whole)
    server.run(graph(model="mended"))


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"source": ["parts", 0]}, "composite", "source has 24 frames, result 4"),
        ({"mask": ["odd_mask", 0]}, "composite", "mask is 100 x 50 pixels"),
        ({"source": ["small", 0]}, "composite", "does not come from frames of 50 x 50"),
    ],
)
def test_wrong_input_shows_its_reason_on_its_node(server, changes, place, message):
    prompt = graph(**changes)
    prompt["odd_mask"] = node("SolidMask", value=1.0, width=100, height=50)
    prompt["small"] = node(
        "ImageScale", image=["frames", 0], upscale_method="area", width=50, height=50, crop="center"
    )
    error = failure(server, prompt)
    assert message in str(error)
    assert error.details["node_id"] == place


def test_a_latent_of_another_clip_is_refused_before_sampling(server):
    prompt = graph()
    prompt["other"] = node("EmptyLatentImage", width=64, height=64, batch_size=9)
    prompt["sample"]["inputs"]["latent"] = ["other", 0]
    error = failure(server, prompt)
    assert "text_video has 4 frames, the latent 9" in str(error)


def steps_done(server, mark):
    """Number of the last step, of 1000, in the log from position `mark` on."""
    return max(map(int, re.findall(r"(\d+)/1000", server.log_text()[mark:])))


def test_cancel_ends_within_a_step_and_the_next_run_is_right(server):
    expected = pictures(server, server.run(graph(frames=4)))
    mark = len(server.log_text())
    prompt_id = server.queue(graph(frames=24, steps=1000, size=320))
    outcome = []

    def wait():
        try:
            outcome.append(server.wait(prompt_id, 120))
        except PromptFailed as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 60
    while "/1000" not in server.log_text()[mark:] and time.monotonic() < deadline:
        time.sleep(0.1)
    server.post("/interrupt", {})
    done = steps_done(server, mark)
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(outcome[0], PromptFailed)
    assert steps_done(server, mark) <= done + 1
    assert (pictures(server, server.run(graph(frames=4))) == expected).all()


def test_workflow_file_is_in_the_page_format():
    for path in WORKFLOWS:
        workflow = json.loads(path.read_text())
        assert workflow["version"] == 0.4
        assert {n["type"] for n in workflow["nodes"] if n["type"].startswith("LGVI")} <= set(NODES)


def test_an_error_begins_with_its_message(server):
    error = failure(server, graph(source=["parts", 0]))
    assert error.details["exception_type"] == "LGVI"
    assert error.details["exception_message"].startswith("source has 24 frames")


def test_a_sentence_without_the_clip_is_refused_by_ksampler(server):
    prompt = graph(frames=2)
    sample_by_ksampler(prompt, ["positive", 0], ["negative", 0], ["condition", 3])
    error = failure(server, prompt)
    assert error.details["node_id"] == "sample"
    assert "put LGVI Video Conditioning between" in str(error)


def test_what_a_node_did_is_among_its_outputs(server):
    # Numbers of its own: nodes that did not run again give no outputs.
    outputs = server.run(graph(frames=3, size=72))
    assert "320 x 192" in outputs["condition"]["text"][0]


def test_an_odd_size_is_saved(server, tmp_path):
    prompt = {
        "frames": node("EmptyImage", width=63, height=49, batch_size=4, color=0x336699),
        "made": node("LGVI_CreateVideo", images=["frames", 0], fps=24.0, crf=16),
        "save": node(
            "SaveVideo", video=["made", 0], filename_prefix="odd", format="auto", codec="auto"
        ),
    }
    outputs = server.run(prompt)
    video = tmp_path / "odd.mp4"
    video.write_bytes(server.file(outputs["save"]["images"][0]))
    assert describe(video) | {"width": 63, "height": 49, "frames": 4} == describe(video)
    assert "63 x 49 pixels, an odd side" in outputs["made"]["text"][0]
