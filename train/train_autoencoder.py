"""Train the small autoencoder (8x downsampling, TAESD's layout) on generated frames.

    python -m train.train_autoencoder --minutes 12 --output .runs/autoencoder
    python -m train.train_autoencoder --minutes 25 --output .runs/vae --collage .cache/collage \
        --start-from lgvi_core/weights/lgvi-mini/vae --learning-rate 1e-4

Writes a diffusers `AutoencoderTiny` folder. Each latent channel has about zero mean and unit
standard deviation, so `scaling_factor` is 1. The safetensors metadata holds the linear map from
latents to RGB that ComfyUI's live preview uses.
"""

import argparse
import json
import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.autoencoders.vae import DecoderTiny, EncoderTiny
from torch import Tensor, nn
from torch.nn import functional as F

from .data.generated.frames import random_crops, render_pool, render_tests
from .engine.files import write_tensors
from .engine.precision import fast_autocast

logger = logging.getLogger(__name__)

MOMENT_WEIGHT = 0.05  # weight of the loss on the latents' means and standard deviations
SCALES = 4  # resolutions of the squared error: full size, and averaged over 2, 4 and 8 pixels
RESIDUAL_SCALE = 0.1  # factor on initial weights beside the path of the colours
STANDARDISE_AT = 0.03  # share of the run; early, so that the decoder has time to adapt
COLOUR_SCALE = 0.165  # standard deviation of a colour channel in the generated frames


def initialise(vae: AutoencoderTiny) -> None:
    """Initialise `vae` as average pooling of the colours, with every residual branch near zero.

    With TAESD's default initialisation the output stays grey for a long time, because nothing
    carries colour to the latents. Here three channels carry red, green and blue through encoder
    and decoder from the first step on.
    """
    for name, module in vae.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if name.endswith("conv.4"):
                module.weight.data.mul_(RESIDUAL_SCALE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    colours = range(3)
    for half in (vae.encoder, vae.decoder):
        for layer in half.layers:
            if isinstance(layer, nn.Conv2d):
                layer.weight.data[:3] = 0
                layer.weight.data[:, :3] *= RESIDUAL_SCALE
                for i in colours:
                    layer.weight.data[i, i, 1, 1] = 1
                if layer.stride == (2, 2):
                    for i in colours:
                        layer.weight.data[i, i] = 1 / 9
    # The encoder maps colours in 0 to 1 to about zero mean and unit standard deviation; the
    # decoder maps them back.
    to_latents, from_latents = _convolution(vae.encoder, -1), _convolution(vae.decoder, 0)
    assert to_latents.bias is not None and from_latents.bias is not None
    for i in colours:
        to_latents.weight.data[i, i, 1, 1] = 1 / COLOUR_SCALE
        to_latents.bias.data[i] = -0.5 / COLOUR_SCALE
        from_latents.weight.data[i, i, 1, 1] = COLOUR_SCALE
        from_latents.bias.data[i] = 0.5
    _convolution(vae.decoder, -1).weight.data[:, 3:] *= RESIDUAL_SCALE


def _convolution(half: EncoderTiny | DecoderTiny, index: int) -> nn.Conv2d:
    layer = half.layers[index]
    assert isinstance(layer, nn.Conv2d)
    return layer


@torch.no_grad()
def standardise(vae: AutoencoderTiny, frames: list[np.ndarray]) -> None:
    """Rescale `vae` to give every latent channel zero mean and unit standard deviation.

    The statistics are those of `frames`, uint8 [h, w, 3]. The decoder's first layer inverts the
    change except for the nonlinearity of the tanh before it, which further training corrects.
    """
    latents = [vae.encode(_image(frame, vae)).latents.flatten(2)[0] for frame in frames]
    values = torch.cat(latents, 1)
    mean, std = values.mean(1), values.std(1)
    last, first = _convolution(vae.encoder, -1), _convolution(vae.decoder, 0)
    assert last.bias is not None and first.bias is not None
    last.weight /= std[:, None, None, None]
    last.bias.copy_((last.bias - mean) / std)
    # This is exact except at the border, where the zero padding now represents the mean.
    first.bias += (first.weight.sum((2, 3)) * mean).sum(1)
    first.weight *= std[None, :, None, None]


def round_trips(vae: AutoencoderTiny, tests: dict[str, list[np.ndarray]]) -> str:
    """Say the round trip's PSNR on every kind of frames."""
    return ", ".join(f"{name} {psnr(vae, frames):.2f} dB" for name, frames in tests.items())


def losses(vae: AutoencoderTiny, images: Tensor) -> tuple[Tensor, Tensor]:
    """The reconstruction loss, and a penalty that keeps latents at zero mean and unit deviation.

    The squared error is summed over full size and averages of 2, 4 and 8 pixels: without the coarse
    scales the network learns outlines long before it learns colour.
    """
    latents = vae.encode(images).latents
    error = (vae.decode(latents).sample - images).float()
    reconstruction = error.abs().mean()
    for _ in range(SCALES):
        reconstruction = reconstruction + error.square().mean()
        error = F.avg_pool2d(error, 2)
    mean, std = latents.float().mean((0, 2, 3)), latents.float().std((0, 2, 3))
    return reconstruction, mean.square().mean() + (std - 1).square().mean()


def _image(frame: np.ndarray, vae: AutoencoderTiny) -> Tensor:
    """Convert a frame, uint8 [h, w, 3], to [1, 3, h, w] in -1 to 1 on the device of `vae`."""
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1
    return image.to(vae.device)


@torch.no_grad()
def psnr(vae: AutoencoderTiny, frames: list[np.ndarray]) -> float:
    """Mean PSNR in dB of `frames` (uint8 [h, w, 3]) after encoding and decoding."""
    values = []
    for frame in frames:
        image = _image(frame, vae)
        output = vae(image).sample.clamp(-1, 1)
        values.append(10 * math.log10(4 / max(float(F.mse_loss(output, image)), 1e-10)))
    return float(np.mean(values))


@torch.no_grad()
def preview_factors(vae: AutoencoderTiny, frames: list[np.ndarray]) -> dict[str, str]:
    """The linear least-squares map from latents to RGB in -1 to 1, as ComfyUI's preview needs it.

    Returns two JSON texts by their metadata keys: the [4, 3] factors and the bias [3].
    """
    latents, colours = [], []
    for frame in frames:
        image = _image(frame, vae)
        latents.append(vae.encode(image).latents.flatten(2)[0].T.cpu())
        colours.append(F.avg_pool2d(image, 8).flatten(2)[0].T.cpu())
    x, y = torch.cat(latents), torch.cat(colours)
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y).solution
    rounded = [[round(float(v), 4) for v in row] for row in solution]
    return {
        "latent_rgb_factors": json.dumps(rounded[:4]),
        "latent_rgb_factors_bias": json.dumps(rounded[4]),
    }


def save(vae: AutoencoderTiny, folder: Path, metadata: dict[str, str]) -> None:
    """Write `vae` as a diffusers folder, with weights in fp16."""
    folder.mkdir(parents=True, exist_ok=True)
    vae.save_config(folder)
    state = {name: value.half().contiguous() for name, value in vae.state_dict().items()}
    write_tensors(folder / "diffusion_pytorch_model.safetensors", state, metadata)


def train(
    minutes: float,
    batch: int,
    learning_rate: float,
    frames: int,
    output: Path,
    start_from: Path | None = None,
    collage: Path | None = None,
    workers: int = 0,
) -> None:
    """Train for `minutes`, with a learning rate that falls to zero, and write to `output`.

    On a CPU these are minutes of its own time, whatever else the machine does.

    `batch` is the number of crops in a step and `frames` the number of frames that are rendered
    for training. `start_from` is the folder of an earlier run whose weights are used; its latents
    keep their scale. With the folder `collage` of `train.data.collage.fetch`, a third of the frames
    each are generated, collages, and crops of photographs; `workers` processes render them.
    """
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    vae = AutoencoderTiny(scaling_factor=1.0, shift_factor=0.0)
    initialise(vae)
    if start_from is not None:
        vae = AutoencoderTiny.from_pretrained(start_from, torch_dtype=torch.float32)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    vae.train().to(device, memory_format=torch.channels_last)
    pool, tests = render_pool(frames, collage, workers), render_tests(collage)
    held_out = tests["generated"]
    standardised = start_from is not None
    logger.info("before: %s", round_trips(vae, tests))
    optimizer = torch.optim.AdamW(vae.parameters(), learning_rate, betas=(0.9, 0.98))
    # On a CPU its own time counts, so that other work on the machine does not end the run early.
    clock = time.monotonic if device == "cuda" else time.process_time
    start, step, logged = clock(), 0, clock()
    while (share := (clock() - start) / (60 * minutes)) < 1:
        if not standardised and share >= STANDARDISE_AT:
            standardise(vae, pool[:100])
            standardised = True
        warmup = min(1.0, (step + 1) / 50)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * share))
        images = random_crops(pool, rng, batch).to(device, memory_format=torch.channels_last)
        with fast_autocast(vae.device):
            reconstruction, moments = losses(vae, images)
        optimizer.zero_grad()
        (reconstruction + MOMENT_WEIGHT * moments).backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        if clock() - logged > 30:
            logged = clock()
            logger.info(
                "step %d, %.1f images/s, loss %.4f, moments %.4f, %s",
                step,
                step * batch / (logged - start),
                reconstruction.item(),
                moments.item(),
                round_trips(vae, {name: frames[:8] for name, frames in tests.items()}),
            )
            save(vae, output, preview_factors(vae, held_out))
    save(vae, output, preview_factors(vae, pool[:200]))
    logger.info("%d steps: %s", step, round_trips(vae, tests))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=12, help="training time")
    parser.add_argument("--batch", type=int, default=8, help="crops per step")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--frames", type=int, default=3000, help="frames rendered for training")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--start-from", type=Path, help="folder of an earlier run to go on from")
    parser.add_argument("--collage", type=Path, help="folder of train.data.collage.fetch")
    parser.add_argument("--workers", type=int, default=0, help="processes that render frames")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    train(
        args.minutes,
        args.batch,
        args.learning_rate,
        args.frames,
        args.output,
        args.start_from,
        args.collage,
        args.workers,
    )


if __name__ == "__main__":
    main()
