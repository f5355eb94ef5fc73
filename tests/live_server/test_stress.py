"""A server under stress: many prompts, cancels, two clients, changing files and full memory."""

import importlib
import itertools
import shutil
import threading
import time

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from support.graphs import failure, graph, pictures
from support.tiny_checkpoint import write_checkpoint
from tools.comfyui.server import PromptFailed, running_server
from tools.workflows.inputs import prepare

PROMPTS, SETTLED_AFTER = 200, 10
SIZES = [(1, 96), (3, 32), (2, 64), (4, 96), (1, 40)]  # frames and working size
CANCELS = 50
GROWTH = 1.05
ROOM = 400 * 1024**2  # bytes that the server may allocate further


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A separate server, since other tests leave models in a server's memory."""
    base = tmp_path_factory.mktemp("stressed")
    prepare(base)
    write_checkpoint(base / "models" / "lgvi" / "tiny")
    with running_server(base) as running:
        yield running


def resident(server):
    return psutil.Process(server.pid).memory_info().rss


def test_many_prompts_of_mixed_sizes_keep_the_memory_of_the_first(server):
    sizes = itertools.cycle(SIZES)
    settled = 0
    for number in range(PROMPTS):
        frames, size = next(sizes)
        server.run(graph(frames=frames, size=size) | seeded(number))
        if number + 1 == SETTLED_AFTER:
            settled = resident(server)
    assert resident(server) <= GROWTH * settled


def seeded(number):
    """The graph's sampler node with a seed of its own, so that its result is not cached."""
    sample = graph()["sample"]
    return {"sample": {**sample, "inputs": {**sample["inputs"], "seed": number}}}


def test_after_many_cancels_the_next_run_is_right(server):
    expected = pictures(server, server.run(graph()))
    for number in range(CANCELS):
        prompt_id = server.queue(graph(frames=24, steps=1000, size=64))
        while not server.get("/queue")["queue_running"]:
            time.sleep(0.01)
        time.sleep(0.01 * number)  # another moment each time
        assert cancel(server, prompt_id) == "interrupted"
    assert (pictures(server, server.run(graph())) == expected).all()


def cancel(server, prompt_id):
    """Cancel a prompt and return how it ended; calls are repeated until ComfyUI reacts."""
    for _ in range(30):
        server.post("/interrupt", {})
        try:
            server.wait(prompt_id, 2)
            return "done"
        except TimeoutError:
            continue
        except PromptFailed as error:
            return str(error)
    return "went on"


def test_two_clients_get_each_their_own(server):
    prompts = [graph(frames=frames) for frames in (2, 3)]
    expected = [pictures(server, server.run(prompt)) for prompt in prompts]
    found = [[], []]

    def client(place):
        for number in range(5):
            server.run(prompts[place] | seeded(100 + number))
            found[place].append(pictures(server, server.run(prompts[place])))

    threads = [threading.Thread(target=client, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for one, all_of_one in zip(expected, found, strict=True):
        assert len(all_of_one) == 5
        assert all((one == other).all() for other in all_of_one)


@pytest.fixture
def folder(server):
    """A model's folder, after a run has loaded it."""
    place = server.base / "models" / "lgvi" / "changing"
    shutil.copytree(place.parent / "tiny", place)
    server.run(graph(model="changing"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


def test_a_model_that_was_deleted_is_missed_and_found_again(server, folder):
    away = folder.with_name("away")
    folder.rename(away)
    assert "LGVI model 'changing' is not there" in str(failure(server, graph(model="changing")))
    away.rename(folder)
    server.run(graph(model="changing"))


def test_a_model_that_was_replaced_is_loaded_anew(server, folder):
    before = pictures(server, server.run(graph(model="changing")))
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = {name: 1.5 * value for name, value in load_file(path).items()}
    save_file(weights, path)
    assert (pictures(server, server.run(graph(model="changing"))) != before).any()


@pytest.mark.parametrize("harm", ["cut", "overwritten"])
def test_a_model_file_that_is_harmed_after_it_was_loaded_is_named(server, folder, harm):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000] if harm == "cut" else b"{" * len(whole))
    error = failure(server, graph(model="changing"))
    assert error.details["node_id"] == "load"
    assert str(path) in str(error)
    path.write_bytes(whole)
    server.run(graph(model="changing"))


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="needs limits of a process")
def test_full_memory_says_what_to_lower_and_the_next_run_works(server):
    expected = pictures(server, server.run(graph()))
    process = psutil.Process(server.pid)
    unlimited = process.rlimit(psutil.RLIMIT_AS)
    limit = process.memory_info().vms + ROOM
    process.rlimit(psutil.RLIMIT_AS, (limit, unlimited[1]))
    try:
        error = failure(server, graph(frames=24, size=2048))
    finally:
        process.rlimit(psutil.RLIMIT_AS, unlimited)
    assert "not enough memory" in str(error)
    assert "lower" in str(error)
    assert (pictures(server, server.run(graph())) == expected).all()


def test_memory_of_the_card_is_named_as_well(pack):
    """The type of the error stays, since ComfyUI unloads its models from the GPU after it."""
    memory = importlib.import_module("lgvi_pack.nodes.host.memory")
    with (
        pytest.raises(torch.cuda.OutOfMemoryError, match="lower working_size"),
        memory.advice_when_out_of_memory("lower working_size"),
    ):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
    with (
        pytest.raises(RuntimeError, match=r"^shapes$"),
        memory.advice_when_out_of_memory("lower it"),
    ):
        raise RuntimeError("shapes")
