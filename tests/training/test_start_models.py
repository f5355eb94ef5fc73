"""What a run starts from: image models of 4 and 8 input channels, and what does not fit."""

from pathlib import Path

import diffusers
import pytest
import torch

from lgvi_core.errors import LGVIError
from support.image_model import write_image_model
from support.train_run import OWN_PARTS, tiny_values
from train.lgvi.config import TrainConfig
from train.lgvi.model import build_model, build_noise_scheduler
from train.train_lgvi import build_trainer, train

pytestmark = pytest.mark.training
RATES = {"unet": {"peak": 1e-3}, "text_encoder": None}


def config_of(output: Path, folder: Path, **changes) -> TrainConfig:
    values = {"start_from": str(folder), "optimizer": RATES, **OWN_PARTS, **changes}
    return TrainConfig.model_validate(tiny_values(output, **values))


@pytest.fixture(scope="module")
def plain(tiny_folder, tmp_path_factory) -> Path:
    return write_image_model(tmp_path_factory.mktemp("plain") / "sd", tiny_folder, 4)


def test_plain_stable_diffusion_is_a_start(plain, tmp_path):
    """Eq. 2: z_t goes through its own conv_in, and c_x through a Conv_x of zeros."""
    config = config_of(tmp_path, plain, max_steps=2)
    unet = build_model(config).unet.eval()
    image = diffusers.UNet2DConditionModel.from_pretrained(plain / "unet")
    generator = torch.Generator().manual_seed(0)
    z_t, c_x = torch.randn(2, 1, 4, 1, 8, 8, generator=generator)
    text, t = torch.randn(1, 77, 24, generator=generator), torch.tensor([500])
    with torch.no_grad():
        expected = image(z_t[:, :, 0], t, text).sample
        found = unet(z_t, t, text, c_x).noise_pred[:, :, 0]
    assert torch.allclose(found, expected, atol=1e-5)
    assert unet.condition_conv_in is not None
    before = unet.condition_conv_in.weight.clone()
    assert not before.any()
    trainer = build_trainer(config)
    trainer.run()
    assert trainer.unwrapped.unet.condition_conv_in.weight.any(), "it learns to see the source"


@pytest.mark.parametrize("condition", ["zeros", "start_from"])
def test_conv_x_may_start_from_zeros_as_in_the_paper(tiny_folder, tmp_path, condition):
    folder = write_image_model(tmp_path / "image", tiny_folder, 8)
    unet = build_model(config_of(tmp_path, folder, condition_input=condition)).unet
    assert unet.condition_conv_in is not None
    assert bool(unet.condition_conv_in.weight.any()) == (condition == "start_from")
    assert unet.conv_in.weight.any()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"cross_attention_dim": 48}, r"wrong shape \(.*attn2.to_k.weight is"),
        ({"layers_per_block": 2}, r"missing \("),
        ({"mask_decoder_channels": 8, "mask_decoder_groups": 8}, "is .* instead of"),
        ({"attention_head_dim": 5}, "cannot be split into 5 heads"),
        ({"down_block_types": ["Nothing", "DownBlock"]}, "unknown blocks"),
    ],
)
def test_a_unet_key_that_does_not_fit_is_named(tiny_folder, tmp_path, key, message):
    with pytest.raises(LGVIError, match=message):
        build_model(config_of(tmp_path, tiny_folder, unet=key))


def test_a_key_that_does_not_fit_the_image_model_is_named(plain, tmp_path):
    with pytest.raises(LGVIError, match=r"image U-Net does not fit .*wrong shape"):
        build_model(config_of(tmp_path, plain, unet={"cross_attention_dim": 48}))


def test_parts_of_random_weights_that_cannot_be_are_named(tmp_path):
    values = tiny_values(tmp_path, text_encoder={"num_attention_heads": 5})
    with pytest.raises(LGVIError, match="text_encoder: no CLIP text model can be built"):
        build_model(TrainConfig.model_validate(values))
    values = tiny_values(tmp_path, scheduler={"beta_schedule": "curved"})
    with pytest.raises(LGVIError, match=r"scheduler: no DDIM schedule can be built: .*curved"):
        build_noise_scheduler(TrainConfig.model_validate(values))


def test_timesteps_are_the_schedulers(tmp_path):
    config = TrainConfig.model_validate(
        tiny_values(tmp_path, scheduler={"num_train_timesteps": 40}, loss={"high_noise_from": 30})
    )
    batches = build_trainer(config).task.batches
    drawn = torch.cat([batches[number].t for number in range(6)])
    assert drawn.min() >= 0 and drawn.max() < 40
    train(config.model_copy(update={"max_steps": 1}))
    wrong = config.model_copy(
        update={"loss": config.loss.model_copy(update={"high_noise_from": 40})}
    )
    with pytest.raises(LGVIError, match="high_noise_from is 40: the scheduler has 40 timesteps"):
        build_trainer(wrong)


def test_shares_of_withheld_conditions_are_at_most_all(tmp_path):
    with pytest.raises(ValueError, match=r"1\.2 together is more than 1"):
        shares = {"drop_text": 0.4, "drop_video": 0.4, "drop_both": 0.4}
        TrainConfig.model_validate(tiny_values(tmp_path, loss=shares))
    whole = {"drop_text": 0.3, "drop_video": 0.3, "drop_both": 0.4}
    assert TrainConfig.model_validate(tiny_values(tmp_path, loss=whole)).loss.drop_both == 0.4
