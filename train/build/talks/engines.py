"""What answers: a server that speaks the OpenAI protocol, or a LLaVA in a folder."""

import base64
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import requests
from PIL import Image

from lgvi_core.errors import LGVIError

from ..config import Engine, FolderEngine, ServerEngine

Ask = Callable[[str, str, np.ndarray | None, int], str]
"""From a system prompt, a question, a frame uint8 [h, w, 3] or None, and a seed to an answer."""

_BUSY = (408, 429, 500, 502, 503, 504)
_TRIES = 4
_PAUSE = 1.0  # seconds before the second try; doubled each time


def open_engine(config: Engine) -> Ask:
    """The engine that a configuration names. Raises LGVIError where it cannot be used."""
    return _server(config) if config.kind == "server" else _folder(config)


def _server(config: ServerEngine) -> Ask:
    headers = {}
    if config.key_file is not None:
        try:
            key = config.key_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise LGVIError(f"talks: the key file cannot be read: {error}") from None
        headers["Authorization"] = f"Bearer {key}"
    session = requests.Session()
    address = config.url.rstrip("/") + "/chat/completions"

    def ask(system: str, question: str, frame: np.ndarray | None, seed: int) -> str:
        content: Any = question
        if frame is not None:
            picture = {"type": "image_url", "image_url": {"url": _data_url(frame)}}
            content = [{"type": "text", "text": question}, picture]
        body = {
            "model": config.model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": content},
            ],
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "seed": seed,
        }
        answer = _post(session, address, headers, body, config.seconds)
        try:
            text = answer.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError):
            raise LGVIError(
                f"{address} does not speak the OpenAI protocol: {answer.text[:200]!r}"
            ) from None
        return str(text or "")

    return ask


def _post(
    session: requests.Session, address: str, headers: dict[str, str], body: Any, seconds: float
) -> requests.Response:
    """Ask until the server answers; one that is busy or starts gets some time."""
    told = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE * 2 ** (attempt - 1))
        try:
            answer = session.post(address, json=body, headers=headers, timeout=seconds)
        except requests.RequestException as error:
            told = str(error)
            continue
        if answer.ok:
            return answer
        told = f"{answer.status_code} {answer.text[:200]}"
        if answer.status_code not in _BUSY:
            break
    raise LGVIError(f"no answer of {address}: {told}")


def _data_url(frame: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _folder(config: FolderEngine) -> Ask:
    import torch

    from lgvi_core.chat.model import load_chat
    from lgvi_core.chat.reply import reply

    model = load_chat(config.folder, config.quantization, device=config.device)
    if config.quantization == "none":
        dtype = torch.float32 if config.device == "cpu" else torch.float16
        model.llava.to(config.device, dtype)
    whole = model.format.model_copy(update={"framing": "letterbox"})

    def ask(system: str, question: str, frame: np.ndarray | None, seed: int) -> str:
        model.format = whole.model_copy(update={"system_prompt": system})
        # A LLaVA always sees a picture; where none is meant, it is grey.
        shown = np.full((64, 64, 3), 128, np.uint8) if frame is None else frame
        return reply(
            model,
            torch.from_numpy(shown)[None].float() / 255,
            question,
            seed=seed,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
        ).text

    return ask
