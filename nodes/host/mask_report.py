"""What a person is told where the predicted mask holds nothing, or next to nothing."""

from torch import Tensor

from ...lgvi_core.settings import MaskSettings

THRESHOLD = MaskSettings().threshold
NEARLY = 0.001
"""Share of the clip below which a mask is nearly empty."""
HINT = 0.1
"""Smallest greatest value of a mask for which a lower threshold is worth a try."""


class MaskReport:
    """Counts what the masks of a clip cover, part by part, and says so where it is too little."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        """Start with no frames; mask values from `threshold` on count as the object."""
        self.threshold = threshold
        self._covered = 0
        self._pixels = 0
        self._greatest = 0.0

    def add(self, mask: Tensor) -> None:
        """Add the masks [f, h, w], 0 to 1, of more frames."""
        if not mask.numel():
            return
        self._greatest = max(self._greatest, float(mask.max()))
        counted = mask >= self.threshold if self.threshold > 0 else mask > 0
        self._covered += int(counted.sum())
        self._pixels += mask.numel()

    def advice(self) -> str:
        """Return lines on an empty mask and what to try; they are empty where there is enough."""
        share = self._covered / max(self._pixels, 1)
        if share >= NEARLY:
            return ""
        if not self._covered:
            lines = [
                "Nothing was found: the mask is empty.",
                f"Its greatest value is {self._greatest:.2f}, threshold {self.threshold:g}.",
            ]
        else:
            lines = ["Almost nothing was found: the mask", f"covers {share:.2%} of the clip."]
        tries = [
            "name the object by kind and colour,",
            "with CLIP of the same Load LGVI;",
            "another seed; a higher text_scale",
        ]
        if HINT <= self._greatest < self.threshold:
            tries[-1] += ";"
            tries.append(f"a threshold of {self._greatest / 2:.2f}")
        return "\n".join([*lines, "Try: " + tries[0], *tries[1:]]) + "."
