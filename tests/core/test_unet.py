"""Variants of the U-Net, and the equality of results with and without prepared conditions."""

import pytest
import torch

from lgvi_core.config import UNetConfig
from lgvi_core.unet.attention import matmul_attention, scaled_dot_product_attention
from lgvi_core.unet.inflate import split_condition_input
from lgvi_core.unet.transformer import Text
from lgvi_core.unet.unet import InflatedUNet
from support.cases import filled_unet, small_config
from support.parity import recipe

VARIANTS = {
    "released": {},
    "8 channels": {"in_channels": 8},
    "lan_cross_attn": {"lan_cross_attn": True},
    "cross_frame previous": {"cross_frame_type": "previous"},
    "cross_frame first": {"cross_frame_type": "first"},
    "linear projections": {"use_linear_projection": True},
    "heads per level": {"attention_head_dim": (2, 4, 8)},
    "no temporal attention": {"temp_attn": False},
    "no mask decoder": {"mask_decoder_type": None},
}


def make_inputs(clips=2, frames=3, height=8, width=12, text=24):
    return (
        recipe.tensor("z_t", [clips, 4, frames, height, width]),
        torch.tensor(500),
        recipe.tensor("text", [clips, 7, text]),
        recipe.tensor("c_x", [clips, 4, frames, height, width]),
    )


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_what_is_prepared_once_gives_exactly_the_same(changes):
    unet = filled_unet(small_config(**changes))
    z_t, _t, text, c_x = make_inputs()
    with torch.inference_mode():
        prepared = unet.prepare(text, c_x)
        for step in (900, 500, 100):
            noise_pred, features = unet.denoise(z_t, torch.tensor(step), prepared)
            fresh = unet(z_t, torch.tensor(step), text, c_x)
            assert torch.equal(noise_pred, fresh.noise_pred)
            if unet.mask_decoder is not None:
                assert torch.equal(unet.mask_decoder(features, 3), fresh.mask_logits)


def test_preparing_leaves_the_condition_and_text_layers_out_of_the_steps():
    unet = filled_unet(small_config())
    z_t, t, text, c_x = make_inputs()
    calls = []
    once = [unet.condition_conv_in]
    for transformer in unet.transformers():
        block = transformer.transformer_blocks[0]
        once += [block.attn2.to_k, block.attn2.to_v]
    for layer in once:
        layer.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        prepared = unet.prepare(text, c_x)
        assert len(calls) == len(once)
        unet.denoise(z_t, t, prepared)
    assert len(calls) == len(once)


def test_split_input_is_the_same_function_as_eight_channels():
    whole = filled_unet(small_config(in_channels=8))
    config, state = split_condition_input(whole.config, whole.state_dict())
    assert config.in_channels == 4
    split = InflatedUNet(config).eval()
    split.load_state_dict(state)
    inputs = make_inputs()
    with torch.inference_mode():
        difference = split(*inputs).noise_pred - whole(*inputs).noise_pred
    assert difference.abs().max() < 1e-5


def test_linear_projections_are_one_by_one_convolutions():
    convolved = filled_unet(small_config())
    linear = InflatedUNet(small_config(use_linear_projection=True)).eval()
    state = {
        name: value.flatten(1) if "proj_in.weight" in name or "proj_out.weight" in name else value
        for name, value in convolved.state_dict().items()
    }
    linear.load_state_dict(state)
    inputs = make_inputs()
    with torch.inference_mode():
        difference = linear(*inputs).noise_pred - convolved(*inputs).noise_pred
    assert difference.abs().max() < 1e-5


def test_first_and_previous_frame_agree_on_two_frames_only():
    first = filled_unet(small_config(cross_frame_type="first"))
    previous = filled_unet(small_config(cross_frame_type="previous"))
    with torch.inference_mode():
        for frames, equal in ((2, True), (3, False)):
            inputs = make_inputs(frames=frames)
            a, b = first(*inputs).noise_pred, previous(*inputs).noise_pred
            assert torch.equal(a, b) is equal


def test_clips_of_a_batch_do_not_see_each_other():
    unet = filled_unet(small_config())
    z_t, t, text, c_x = make_inputs(clips=2)
    with torch.inference_mode():
        both = unet(z_t, t, text, c_x)
        one = unet(z_t[:1], t, text[:1], c_x[:1])
    assert (both.noise_pred[:1] - one.noise_pred).abs().max() < 1e-5
    assert (both.mask_logits[:1] - one.mask_logits).abs().max() < 1e-4


@pytest.mark.parametrize("size", [(9, 13), (10, 6), (7, 7), (12, 20)])
def test_any_latent_size_comes_back_in_its_own_size(size):
    unet = filled_unet(small_config())
    inputs = make_inputs(height=size[0], width=size[1])
    with torch.inference_mode():
        output = unet(*inputs)
    assert output.noise_pred.shape[-2:] == size
    assert output.mask_logits.shape[-2:] == size


def test_norms_of_resnets_span_the_clip_and_those_of_transformers_do_not():
    unet = filled_unet(small_config(temp_attn=False))
    z_t, t, text, c_x = make_inputs(clips=1, frames=2)
    changed = z_t.clone()
    changed[:, :, 1] *= 3
    with torch.inference_mode():
        a = unet(z_t, t, text, c_x).noise_pred[:, :, 0]
        b = unet(changed, t, text, c_x).noise_pred[:, :, 0]
        assert (a - b).abs().max() > 1e-3
        x = recipe.tensor("x", [2, 32, 4, 6])
        transformer = unet.down_blocks[1].attentions[0]
        whole = transformer(x, Text(text, None), frames=2)
        x[1] *= 3
        assert torch.allclose(transformer(x, Text(text, None), frames=2)[0], whole[0], atol=1e-6)


def test_attention_functions_agree():
    inputs = make_inputs()
    outputs = []
    for attention in (scaled_dot_product_attention, matmul_attention):
        with torch.inference_mode():
            outputs.append(filled_unet(small_config(), attention)(*inputs).noise_pred)
    assert (outputs[0] - outputs[1]).abs().max() < 1e-5


@pytest.mark.slow
def test_compiles_to_one_graph():
    unet = filled_unet(small_config())
    inputs = make_inputs()
    compiled = torch.compile(unet, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert (compiled(*inputs).noise_pred - unet(*inputs).noise_pred).abs().max() < 1e-5


def test_layers_come_from_the_injected_namespace():
    class Namespace:
        def __init__(self):
            self.made = []

        def __getattr__(self, name):
            def make(*args, **kwargs):
                self.made.append(name)
                return getattr(torch.nn, name)(*args, **kwargs)

            return make

    namespace = Namespace()
    unet = InflatedUNet(small_config(), operations=namespace)
    weighted = [m for m in unet.modules() if any(True for _ in m.parameters(recurse=False))]
    assert len(namespace.made) == len(weighted)


def test_config_reads_both_names_of_block_types_and_heads():
    flat = UNetConfig(
        down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        num_attention_heads=8,
        attention_head_dim=5,
    )
    assert flat == UNetConfig(attention_head_dim=8)


def test_construction_touches_no_weights():
    """A host may create layers without weights and fill them later."""

    class Bare(torch.nn.Module):
        weight = bias = None

        def __init__(self, *args, **kwargs):
            super().__init__()

    class Namespace:
        Linear = Conv1d = Conv2d = GroupNorm = LayerNorm = Bare

    assert not list(InflatedUNet(small_config(), operations=Namespace).parameters())
