"""The methods under evaluation: each takes a clip and a sentence and returns frames."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from lgvi_core.canvas import fit_canvas, from_canvas, to_canvas
from lgvi_core.chat.model import load_chat
from lgvi_core.chat.reply import Reply, reply
from lgvi_core.checkpoint.parts import decode_latents, encode_images
from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline
from lgvi_core.unet.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.windows import context_windows, window_weights

from ..data.sample import Sample
from .clips import digest
from .config import (
    AnyMethod,
    ChatMethodConfig,
    FolderConfig,
    InstructPix2PixConfig,
    LGVIConfig,
    SourceConfig,
    VAEConfig,
)

GREY = 0.5
_REPLIES: dict[tuple[Path, int, bool], dict[str, Reply]] = {}
"""Replies by the chat model's configuration and the clip: they depend on nothing else."""
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Result:
    """The output of a method for one sample.

    `frames` are uint8 [f, h, w, 3] in the sample's size; `mask` is [f, h, w] in 0 to 1, or None
    where the method predicts none. `undamaged` is the best that the method's frames can show of
    the target: the target after the method's VAE, or the target itself. `reply` is the chat
    model's text, or None without a chat model. `cell` is the side in pixels of what one value of
    the latent covers, for an automatic margin of the mask; None where that is not known.
    """

    frames: np.ndarray
    mask: np.ndarray | None
    undamaged: np.ndarray
    reply: str | None = None
    cell: float | None = None


class Method(Protocol):
    """A method that is loaded and maps a sample to its result."""

    def __call__(self, sample: Sample) -> Result: ...


class LGVI:
    """The paper's LGVI, guided by a sentence."""

    def __init__(self, config: LGVIConfig, device: str) -> None:
        self.config = config
        self.pipeline = _pipeline(config.model, device)
        own = self.pipeline.own_settings
        self.working_size = own.working_size_for(config.working_size)
        if config.timestep_spacing is not None:
            scheduler = self.pipeline.scheduler
            self.pipeline.scheduler = type(scheduler).from_config(
                scheduler.config, timestep_spacing=config.timestep_spacing
            )
        self._settings = asdict(config.settings())
        if config.timestep_spacing is not None:
            # The scheduler with that spacing was assigned, so no other may be named.
            del self._settings["sampler"], self._settings["scheduler"]

    def __call__(self, sample: Sample) -> Result:
        return self.remove(sample, sample.sentence)

    def remove(self, sample: Sample, prompt: str | Tensor) -> Result:
        """Remove what a sentence, or the features [1, n, d] of a reply, describe."""
        frames, mask = self._in_windows(_to_float(sample.source), prompt)
        undamaged = round_trip(self.pipeline.vae, sample.target, self.working_size)
        size = (sample.source.shape[1], sample.source.shape[2])
        cell = fit_canvas(size, self.working_size).cell
        found = None if mask is None else mask.numpy()
        return Result(_to_uint8(frames), found, undamaged, cell=cell)

    def _in_windows(self, source: Tensor, prompt: str | Tensor) -> tuple[Tensor, Tensor | None]:
        """Frames and mask of all windows, faded into each other where they overlap."""
        count = len(source)
        length = min(count, self.config.window or count)
        overlap = min(self.config.overlap, length - 1)
        frames = torch.zeros_like(source)
        mask: Tensor | None = torch.zeros(source.shape[:3])
        total = torch.zeros(count)
        for window in context_windows(count, length, overlap):
            output = self.pipeline(
                source[window.start : window.stop],
                prompt,
                working_size=self.working_size,
                **self._settings,
            )
            weights = window_weights(window, count, overlap)
            total[window.start : window.stop] += weights
            frames[window.start : window.stop] += output.frames * weights[:, None, None, None]
            if output.mask is None:
                mask = None
            elif mask is not None:
                mask[window.start : window.stop] += output.mask * weights[:, None, None]
        whole = total[:, None, None]
        return frames / whole[..., None], None if mask is None else mask / whole


class LGVIWithChat(LGVI):
    """LGVI guided by a chat model's reply: LGVI+MLLM by its text, LGVI-I by its hidden states.

    Each turn of a conversation is asked with the model's own earlier replies as history. Where the
    last reply names nothing to remove, the source is returned unchanged. Raises LGVIError where
    LGVI-I is configured with a chat model that has no MM head.
    """

    def __init__(self, config: ChatMethodConfig, device: str) -> None:
        super().__init__(config, device)
        self.chat_config = config
        self.chat = load_chat(config.chat, dtype=torch.float32)
        if config.kind == "lgvi_i" and self.chat.text_features is None:
            raise LGVIError(f"{config.name}: {config.chat} has no MM head, which lgvi_i needs")
        self.chat.llava.to(device)
        self.kept_replies = _REPLIES.setdefault((config.chat, config.max_tokens, config.blank), {})

    def __call__(self, sample: Sample) -> Result:
        config = self.chat_config
        answer = self._answer(sample)
        prompt = answer.features if config.kind == "lgvi_i" else answer.prompt
        if not answer.prompt or prompt is None:
            unchanged = Result(sample.source, np.zeros(sample.mask.shape), sample.target)
            return replace(unchanged, reply=answer.text)
        return replace(self.remove(sample, prompt), reply=answer.text)

    def _answer(self, sample: Sample) -> Reply:
        """The last reply to the sample's requests; it is asked for once in a process."""
        key = digest(sample)
        if key not in self.kept_replies:
            self.kept_replies[key] = self._ask(sample)
        return self.kept_replies[key]

    def _ask(self, sample: Sample) -> Reply:
        config = self.chat_config
        frames = _to_float(sample.source)
        seen = torch.full_like(frames, GREY) if config.blank else frames
        requests = [request for request, _ in sample.turns] or [sample.sentence]
        answer: Reply | None = None
        for request in requests:
            history = () if answer is None else answer.history
            answer = reply(
                self.chat, seen, request, history, temperature=0, max_tokens=config.max_tokens
            )
        assert answer is not None
        return answer


class InstructPix2Pix:
    """An image editing model that sees one frame at a time; it predicts no mask."""

    def __init__(self, config: InstructPix2PixConfig, device: str) -> None:
        from diffusers import StableDiffusionInstructPix2PixPipeline

        self.config = config
        self.pipeline: Any = StableDiffusionInstructPix2PixPipeline.from_pretrained(
            config.model, safety_checker=None, requires_safety_checker=False, local_files_only=True
        ).to(device)
        self.pipeline.set_progress_bar_config(disable=True)

    def __call__(self, sample: Sample) -> Result:
        size = sample.source.shape[1], sample.source.shape[2]
        fit = fit_canvas(size, self.config.working_size)
        edited = [
            self.pipeline(
                sample.sentence,
                image=rearrange(frame, "h w c -> 1 c h w"),
                num_inference_steps=self.config.steps,
                guidance_scale=self.config.text_scale,
                image_guidance_scale=self.config.image_scale,
                generator=torch.Generator().manual_seed(self.config.seed),
                output_type="pt",
            ).images[0]
            for frame in to_canvas(_to_float(sample.source), fit)
        ]
        frames = rearrange(torch.stack(edited).float().cpu(), "f c h w -> f h w c")
        undamaged = round_trip(self.pipeline.vae, sample.target, self.config.working_size)
        return Result(_to_uint8(from_canvas(frames, fit)), None, undamaged)


class Folder:
    """Results that another program wrote as pictures of the clip's size."""

    def __init__(self, config: FolderConfig, device: str) -> None:
        if not config.folder.is_dir():
            raise LGVIError(f"{config.folder}: there is no such folder of results")
        self.folder = config.folder
        self.vae = None if config.vae is None else _pipeline(config.vae, device).vae

    def __call__(self, sample: Sample) -> Result:
        folder = self.folder / sample.name
        frames = read_pictures(folder, sample.source.shape[:3])
        mask = None
        if (folder / "masks").is_dir():
            pictures = read_pictures(folder / "masks", sample.source.shape[:3])
            mask = pictures.mean(axis=-1, dtype=np.float32) / 255
        undamaged = sample.target if self.vae is None else round_trip(self.vae, sample.target)
        return Result(frames, mask, undamaged)


class SourceUnchanged:
    """The baseline that returns the source."""

    def __init__(self, config: SourceConfig, device: str) -> None:
        pass

    def __call__(self, sample: Sample) -> Result:
        return Result(sample.source, None, sample.target)


class VAERoundTrip:
    """The baseline that returns the target after a VAE, which no result of this VAE can surpass."""

    def __init__(self, config: VAEConfig, device: str) -> None:
        self.vae = _pipeline(config.model, device).vae

    def __call__(self, sample: Sample) -> Result:
        frames = round_trip(self.vae, sample.target)
        return Result(frames, None, frames)


OPENERS: dict[str, Callable[[Any, str], Method]] = {
    "lgvi": LGVI,
    "lgvi_mllm": LGVIWithChat,
    "lgvi_i": LGVIWithChat,
    "instruct_pix2pix": InstructPix2Pix,
    "folder": Folder,
    "source": SourceUnchanged,
    "vae": VAERoundTrip,
}
"""Classes by kind of method; a configuration and a device make one."""


def open_method(config: AnyMethod, device: str) -> Method:
    """Load a method; raises LGVIError or CheckpointError where its files cannot be used."""
    return OPENERS[config.kind](config, device)


def files_of(config: AnyMethod) -> list[Path]:
    """Folders and files that a method's results depend on."""
    names = ("model", "chat", "folder", "vae")
    return [path for name in names if (path := getattr(config, name, None)) is not None]


def read_pictures(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the pictures of a folder, sorted by name, as uint8 RGB [f, h, w, 3].

    Raises LGVIError where their number or size is not that of `shape` (f, h, w).
    """
    from PIL import Image

    count, height, width = shape
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if len(paths) != count:
        raise LGVIError(
            f"{folder}: {len(paths)} pictures (.png or .jpg), the clip has {count} frames; write "
            "one result for every frame of the clip, named so that they sort in order"
        )
    pictures = []
    for path in paths:
        with Image.open(path) as picture:
            if picture.size != (width, height):
                raise LGVIError(
                    f"{path}: {picture.width} x {picture.height} pixels, the clip has {width} x "
                    f"{height}; bring the results back to the clip's size first"
                )
            pictures.append(np.asarray(picture.convert("RGB")))
    return np.stack(pictures)


@torch.inference_mode()
def round_trip(vae: Any, frames: np.ndarray, working_size: int = 0) -> np.ndarray:
    """Encode uint8 frames [f, h, w, 3] by a diffusers VAE (posterior's mean) and decode them.

    `working_size` is the long side in pixels that the VAE sees; 0 keeps the frames' own.
    """
    weight = next(vae.parameters())
    fit = fit_canvas((frames.shape[1], frames.shape[2]), working_size)
    canvas = rearrange(to_canvas(_to_float(frames), fit), "f h w c -> f c h w") * 2 - 1
    decoded = decode_latents(vae, encode_images(vae, canvas.to(weight.device, weight.dtype)))
    restored = rearrange(decoded.float().cpu() / 2 + 0.5, "f c h w -> f h w c").clamp(0, 1)
    return _to_uint8(from_canvas(restored, fit))


def _pipeline(path: Path, device: str) -> LGVIPipeline:
    on_cpu = torch.device(device).type == "cpu"
    attention = matmul_attention if on_cpu else scaled_dot_product_attention
    return LGVIPipeline.from_checkpoint(path, device=device, attention=attention)


def _to_float(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).float() / 255


def _to_uint8(frames: Tensor) -> np.ndarray:
    return (frames * 255).round().clamp(0, 255).to(torch.uint8).numpy()
