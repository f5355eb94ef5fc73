"""What finds an object on every frame: along flow, by SAM 2 or SAM 3 of transformers, by LGVI."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lgvi_core.background.carry import SmallClip
from lgvi_core.errors import LGVIError

from ..config import MasksConfig

WINDOW = 24
"""Frames that LGVI looks at together."""


@dataclass(frozen=True)
class Wanted:
    """An object to follow: its sentence, and the masks bool [h, w] that are given, by frame."""

    id: int
    sentence: str
    given: dict[int, np.ndarray]


@dataclass(frozen=True)
class Followed:
    """An object's masks from 0 to 1 on all frames, float32 [f, h, w], and how sure they are.

    `agreement`, 0 to 1, is the least share of a mask that came to its frame by a way that leads
    back, or that met the next given mask; 1 where the engine cannot tell.
    """

    masks: np.ndarray
    agreement: float = 1.0


Engine = Callable[[Sequence[np.ndarray], Sequence[Wanted]], dict[int, Followed]]
"""From frames uint8 RGB [h, w, 3] and objects to what was found of each, by its id."""


def open_engine(config: MasksConfig) -> Engine:
    """The engine for objects with given masks. Raises LGVIError where its weights are missing."""
    if config.engine == "sam2":
        assert config.folder is not None
        return Sam2(config.folder, config.device)
    return lambda frames, wanted: follow_by_flow(frames, wanted, config)


def open_words_engine(config: MasksConfig) -> Engine | None:
    """The engine for objects known by words alone; None where the configuration names none."""
    if config.words == "sam3":
        assert config.words_folder is not None
        return Sam3(config.words_folder, config.device)
    return Lgvi(config.words_folder, config.device) if config.words == "lgvi" else None


def follow_by_flow(
    frames: Sequence[np.ndarray], wanted: Sequence[Wanted], config: MasksConfig
) -> dict[int, Followed]:
    """Carry the given masks along flow, measured at `config.flow_side` at most."""
    clip = SmallClip(frames, config.flow_side)
    found = {}
    for thing in wanted:
        carried = clip.carry(thing.given, config.refine)
        agreement = min(float(carried.agreement.min()), clip.meets_next(thing.given, config.refine))
        found[thing.id] = Followed(carried.masks, agreement)
    return found


class Sam2:
    """SAM 2 video of transformers; it starts from the given masks, both ways in time."""

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import Sam2VideoModel, Sam2VideoProcessor

        self.model = _pretrained(Sam2VideoModel, folder).to(device).eval()
        self.processor = _pretrained(Sam2VideoProcessor, folder)
        self.device = device

    @torch.inference_mode()
    def __call__(
        self, frames: Sequence[np.ndarray], wanted: Sequence[Wanted]
    ) -> dict[int, Followed]:
        """Follow each object by itself, so that none hides another."""
        found = {}
        for thing in wanted:
            session = self.processor.init_video_session(
                video=list(frames), inference_device=self.device
            )
            for number, mask in sorted(thing.given.items()):
                self.processor.add_inputs_to_inference_session(
                    session, number, thing.id, input_masks=mask.astype(np.float32)
                )
                self.model(inference_session=session, frame_idx=number)
            masks = np.zeros((len(frames), *frames[0].shape[:2]), np.float32)
            first = min(thing.given)
            for reverse in (False, True):
                for output in self.model.propagate_in_video_iterator(
                    session, start_frame_idx=first, reverse=reverse
                ):
                    masks[output.frame_idx] = self._mask(output, frames[0].shape[:2])
            for number, mask in thing.given.items():
                masks[number] = mask
            found[thing.id] = Followed(masks)
        return found

    def _mask(self, output: Any, size: tuple[int, ...]) -> np.ndarray:
        masks = self.processor.post_process_masks(
            [output.pred_masks], original_sizes=[list(size)], binarize=False
        )[0]
        return torch.sigmoid(masks.float()).reshape(-1, *size)[0].cpu().numpy()


class Sam3:
    """SAM 3 video of transformers; it finds by words what it then follows."""

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import Sam3VideoModel, Sam3VideoProcessor

        self.model = _pretrained(Sam3VideoModel, folder).to(device).eval()
        self.processor = _pretrained(Sam3VideoProcessor, folder)
        self.device = device

    @torch.inference_mode()
    def __call__(
        self, frames: Sequence[np.ndarray], wanted: Sequence[Wanted]
    ) -> dict[int, Followed]:
        """Everything that an object's words find, together."""
        from lgvi_core.chat.phrases import noun_phrases

        found = {}
        for thing in wanted:
            session = self.processor.init_video_session(
                video=list(frames), inference_device=self.device
            )
            words = ", ".join(noun_phrases(thing.sentence)) or thing.sentence
            self.processor.add_text_prompt(session, words)
            masks = np.zeros((len(frames), *frames[0].shape[:2]), np.float32)
            for output in self.model.propagate_in_video_iterator(session):
                several = self.processor.postprocess_outputs(session, output)["masks"]
                if len(several):
                    masks[output.frame_idx] = several.float().amax(0).cpu().numpy()
            found[thing.id] = Followed(masks)
        return found


class Lgvi:
    """The mask decoder of an LGVI: no weights beyond ours, for clips that such a model knows."""

    def __init__(self, folder: Path | None, device: str) -> None:
        from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
        from lgvi_core.pipeline import LGVIPipeline

        self.pipeline = LGVIPipeline.from_checkpoint(folder or BUNDLED_MODEL, device)

    def __call__(
        self, frames: Sequence[np.ndarray], wanted: Sequence[Wanted]
    ) -> dict[int, Followed]:
        """What the model would remove for the object's sentence."""
        from ...data.sets.as_request import as_request

        clip = torch.from_numpy(np.stack(frames)).float() / 255
        found = {}
        for thing in wanted:
            request = as_request(thing.sentence)
            parts = [self.pipeline(part, request).mask for part in clip.split(WINDOW)]
            masks = [part for part in parts if part is not None]
            if len(masks) < len(parts):
                raise LGVIError("this LGVI predicts no masks: name another in masks.words_folder")
            found[thing.id] = Followed(torch.cat(masks).numpy())
        return found


def _pretrained(kind: Any, folder: Path) -> Any:
    if not (folder / "config.json").is_file():
        raise LGVIError(f"{folder} is no transformers folder: it holds no config.json")
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise LGVIError(f"{folder} cannot be opened as {kind.__name__}: {error}") from error
