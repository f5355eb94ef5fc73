"""Which of the reply's hidden states become cross-attention's text features (Sec. 4.2)."""

from torch import Tensor
from torch.nn import functional as F

from .format import ChatFormat
from .marks import Prompt


def prompt_span(prompt: Prompt, tokens: int, chat_format: ChatFormat) -> range:
    """Positions in a reply of `tokens` tokens, the end token not counted."""
    if chat_format.features == "to_mark":
        span = range(prompt.start, prompt.stop)
    else:
        span = range(prompt.opening, tokens)
    return span[: chat_format.feature_length]


def pad_features(features: Tensor, chat_format: ChatFormat) -> Tensor:
    """[b, n, d] with zeros behind, up to the format's `feature_length`."""
    if chat_format.feature_length is None:
        return features
    return F.pad(features, (0, 0, 0, chat_format.feature_length - features.shape[1]))
