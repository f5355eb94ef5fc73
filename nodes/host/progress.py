"""Messages to the person who runs a node."""

from server import PromptServer


def show_text(node_id: str | None, text: str) -> None:
    """Show `text` on the node while and after it runs."""
    server = getattr(PromptServer, "instance", None)
    if server is not None and node_id is not None:
        server.send_progress_text(text, node_id)


def client() -> str | None:
    """Return the id of the page or program that asked for the run; None if it gave none."""
    return getattr(getattr(PromptServer, "instance", None), "client_id", None)
