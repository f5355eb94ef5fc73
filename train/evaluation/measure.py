"""All measures of a method's result for one clip."""

from dataclasses import dataclass

import numpy as np
import torch

from lgvi_core.background import fill_background
from lgvi_core.canvas import locate
from lgvi_core.masks import composite, soft_mask
from lgvi_core.settings import MaskSettings

from ..data.sample import Sample
from .config import CompositeConfig, MeasuresConfig
from .frame_measures import dilate, psnr, ssim
from .methods import Result
from .object_measures import (
    Values,
    change_measures,
    damage,
    mask_measures,
    removal_measures,
    reply_measures,
    shown_frames,
)
from .vfid import FeatureNetwork
from .warping import FlowFunction, Motion, flow_function, motion, warping_error

VERSION = 3
"""Version of the measures, raised when one changes so that its cached values are not used."""


@dataclass(frozen=True)
class Measurements:
    """Values of one result by measure, and features [d] of result and target for VFID.

    `features` is None where no feature network is configured.
    """

    values: Values
    features: tuple[np.ndarray, np.ndarray] | None = None


class Measurer:
    """Takes all measures; optical flow and feature network are opened once per process."""

    def __init__(self, config: MeasuresConfig, device: str) -> None:
        self.config = config
        self.flow: FlowFunction = flow_function(config.flow, device)
        self.network = None
        if config.features is not None:
            self.network = FeatureNetwork(config.features, device)

    def __call__(self, sample: Sample, result: Result) -> Measurements:
        """Take every measure that applies to the sample and the result."""
        dilation = self.config.dilation
        area = dilate(sample.mask >= 128, dilation)
        moved = motion(sample.target, self.flow)
        values = _agreement(result.frames, sample.target, area, moved)
        values |= removal_measures(sample, result.frames, dilation)
        values |= shown_frames(sample, result.frames, dilation)
        if found := damage(sample, result.frames, result.undamaged, dilation):
            values["damage"] = found
        if result.mask is not None:
            composited = composited_frames(sample, result, self.config.composite)
            for name, value in _agreement(composited, sample.target, area, moved).items():
                values[f"{name}_composited"] = value
            gain = values["psnr_composited"][0] - (psnr(sample.source, sample.target) or 0)
            values["psnr_gain"] = [gain]
            values |= mask_measures(sample, result.mask >= 0.5)
            values |= change_measures(sample, composited)
            if found := damage(sample, composited, sample.target, dilation):
                values["damage_composited"] = found
            if self.config.background:
                values |= self._with_background(sample, result, area)
        if result.reply is not None and (sample.objects or sample.described):
            values |= reply_measures(sample, result.reply)
        features = None
        if self.network is not None:
            features = self.network(result.frames), self.network(sample.target)
        return Measurements(values, features)

    def _with_background(self, sample: Sample, result: Result, area: np.ndarray) -> Values:
        """The measures of the result where other frames' background is put back first."""
        frames = frames_with_background(sample, result, self.config.composite)
        found = removal_measures(sample, frames, self.config.dilation)
        found |= shown_frames(sample, frames, self.config.dilation)
        found |= change_measures(sample, frames)
        for name, value in (
            ("psnr", psnr(frames, sample.target)),
            ("psnr_inside", psnr(frames, sample.target, area)),
        ):
            if value is not None:
                found[name] = [value]
        found["psnr_gain"] = [found["psnr"][0] - (psnr(sample.source, sample.target) or 0)]
        if damaged := damage(sample, frames, sample.target, self.config.dilation):
            found["damage"] = damaged
        return {f"{name}_background": value for name, value in found.items()}


def composited_frames(sample: Sample, result: Result, config: CompositeConfig) -> np.ndarray:
    """Lay the result over the source by its mask, as LGVI Composite does: uint8 [f, h, w, 3]."""
    opacity = _opacity(result, config)
    source, frames = (torch.from_numpy(x).float() / 255 for x in (sample.source, result.frames))
    size = source.shape[1], source.shape[2]
    mixed = composite(source, frames, opacity, locate(size, size))
    return (mixed * 255).round().to(torch.uint8).numpy()


def frames_with_background(sample: Sample, result: Result, config: CompositeConfig) -> np.ndarray:
    """Put back what other frames show, and the result elsewhere: uint8 [f, h, w, 3].

    As LGVI Background From Frames does with the result as its painting.
    """
    source, painting = torch.from_numpy(sample.source), torch.from_numpy(result.frames)
    return fill_background(source, _opacity(result, config), painting).frames.numpy()


def _opacity(result: Result, config: CompositeConfig) -> torch.Tensor:
    settings = MaskSettings(config.threshold, config.grow, config.feather)
    return soft_mask(torch.from_numpy(result.mask), settings, result.cell)


def _agreement(
    frames: np.ndarray, target: np.ndarray, area: np.ndarray, moved: Motion | None
) -> Values:
    """PSNR, SSIM and E_warp (times 100) of whole frames, inside and outside `area`."""
    found: dict[str, float | None] = {
        f"ssim{where}": value for where, value in ssim(frames, target, area).items()
    }
    for where, inside in (("", None), ("_inside", area), ("_outside", ~area)):
        found[f"psnr{where}"] = psnr(frames, target, inside)
        if moved is not None:
            warped = warping_error(frames, moved, inside)
            found[f"ewarp{where}"] = None if warped is None else 100 * warped
    return {name: [value] for name, value in found.items() if value is not None}
