"""Serves the page: on this machine alone, or to others who have the token."""

import ipaddress
import logging
from pathlib import Path

from lgvi_core.errors import LGVIError

from ..config import BuildConfig
from ..state import State

logger = logging.getLogger(__name__)


def serve(config: BuildConfig, host: str, port: int, token_file: Path | None) -> None:
    """Serve the page until it is stopped. Raises LGVIError for an open address without a token."""
    import uvicorn

    from .server import make_app, read_token

    token = None
    if token_file is not None:
        try:
            token = read_token(token_file)
        except (OSError, ValueError) as error:
            raise LGVIError(f"--token-file: {error}") from None
    if token is None and not is_loopback(host):
        raise LGVIError(
            f"{host} can be reached by others: give --token-file with a secret of 16 characters "
            "or more, or leave --host out"
        )
    with State(config.state).lock("select"):
        app = make_app(config, token)
        logger.info("http://%s:%d/%s", host, port, "" if token is None else "?token=...")
        uvicorn.run(app, host=host, port=port, log_level="warning")


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
