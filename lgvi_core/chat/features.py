"""Choice of the reply's hidden states that become text features for cross-attention (Sec. 4.2)."""

from torch import Tensor
from torch.nn import functional as F

from .format import ChatFormat
from .marks import Prompt


def prompt_span(prompt: Prompt, tokens: int, chat_format: ChatFormat) -> range:
    """Return the positions of the reply's tokens whose hidden states become text features.

    `tokens` is the number of the reply's tokens, without the end token. The positions are those
    between the marks ("to_mark") or from the opening mark to the end of the reply ("to_end"), at
    most the format's `feature_length` of them.
    """
    if chat_format.features == "to_mark":
        span = range(prompt.start, prompt.stop)
    else:
        span = range(prompt.opening, tokens)
    return span[: chat_format.feature_length]


def pad_features(features: Tensor, chat_format: ChatFormat) -> Tensor:
    """Pad `features` [b, n, d] with zeros to [b, `feature_length`, d].

    They stay as they are where the format has no `feature_length`.
    """
    if chat_format.feature_length is None:
        return features
    return F.pad(features, (0, 0, 0, chat_format.feature_length - features.shape[1]))
