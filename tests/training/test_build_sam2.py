"""SAM 2 video of transformers carries given masks on; random weights test only the way there."""

import numpy as np
import pytest

from lgvi_core.errors import LGVIError
from train.build.config import MasksConfig
from train.build.masks.engines import Wanted, open_engine


def test_a_folder_that_holds_no_model_is_told(tmp_path):
    config = MasksConfig(engine="sam2", folder=tmp_path)
    with pytest.raises(LGVIError, match=r"no config\.json"):
        open_engine(config)
    with pytest.raises(ValueError, match="needs `folder`"):
        MasksConfig(engine="sam2")


@pytest.mark.slow
def test_masks_of_all_frames_come_from_the_given_one(tmp_path):
    import torch
    from transformers import (
        Sam2ImageProcessorFast,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    torch.manual_seed(0)
    Sam2VideoModel(Sam2VideoConfig()).save_pretrained(tmp_path)
    Sam2VideoProcessor(Sam2ImageProcessorFast(), Sam2VideoVideoProcessor()).save_pretrained(
        tmp_path
    )
    frames = list(np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3), np.uint8))
    given = np.zeros((48, 64), bool)
    given[10:30, 20:40] = True
    engine = open_engine(MasksConfig(engine="sam2", folder=tmp_path))
    shown, mask_of = [], engine._mask

    def noted(output, size):
        shown.append((output.frame_idx, output.pred_masks.shape[-1]))
        return mask_of(output, size)

    engine._mask = noted
    found = engine(frames, [Wanted(1, "the ball", {1: given}), Wanted(2, "", {0: given})])
    for identity, number in ((1, 1), (2, 0)):
        masks = found[identity].masks
        assert masks.shape == (3, 48, 64)
        assert np.array_equal(masks[number], given)
        assert ((masks >= 0) & (masks <= 1)).all()
    assert {number for number, _ in shown} == {0, 1, 2}
    assert len(shown) >= 6
