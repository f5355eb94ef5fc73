"""VFID: the Frechet distance between features of result clips and of target clips."""

from pathlib import Path

import numpy as np
import torch

from lgvi_core.errors import LGVIError


class FeatureNetwork:
    """A TorchScript network that maps videos [b, 3, f, h, w] in -1 to 1 to features [b, d]."""

    def __init__(self, path: Path, device: str) -> None:
        """Load the network; raises LGVIError where the file is not TorchScript."""
        try:
            self.network = torch.jit.load(str(path), map_location=device).eval()
        except (RuntimeError, ValueError) as error:
            raise LGVIError(
                f"{path} cannot be loaded as TorchScript; save the network by torch.jit.script "
                "or torch.jit.trace"
            ) from error
        self.path, self.device = path, device

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Features [d], float32, of uint8 RGB frames [f, h, w, 3].

        Raises LGVIError where the network's output is not [b, d].
        """
        clip = torch.from_numpy(frames).to(self.device).permute(3, 0, 1, 2)[None]
        features = self.network(clip.float() / 127.5 - 1)
        if features.ndim != 2:
            raise LGVIError(
                f"{self.path} gives features of shape {list(features.shape)}; [b, d] is expected"
            )
        return features[0].float().cpu().numpy()


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Frechet distance between Gaussians fitted to two sets of features, [n1, d] and [n2, d].

    It is |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)). With centred features A and B, S1 = A'A and
    S2 = B'B, and Tr((S1 S2)^(1/2)) is the nuclear norm of A B' [n1, n2]. This is exact also where
    there are fewer clips than features and the covariances have no stable square root.

    Raises LGVIError where a set has fewer than two rows.
    """
    if min(len(one), len(other)) < 2:
        raise LGVIError("a Frechet distance needs at least two clips")
    means, centred = [], []
    for features in (one.astype(np.float64), other.astype(np.float64)):
        means.append(features.mean(axis=0))
        centred.append((features - means[-1]) / np.sqrt(len(features) - 1))
    traces = sum(np.square(features).sum() for features in centred)
    cross = np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    return float(np.square(means[0] - means[1]).sum() + traces - 2 * cross)
