"""Messages to the person who runs a node."""

from server import PromptServer


def show_text(node_id: str | None, text: str) -> None:
    """Show `text` on the node while and after it runs, on the page that asked for the run.

    A page finds the node by its number in the workflow that it shows, so that a text sent to all
    pages would land on nodes of other workflows. A run that nobody's page asked for shows nothing.
    """
    server, asker = getattr(PromptServer, "instance", None), client()
    if server is not None and node_id is not None and asker is not None:
        server.send_progress_text(text, node_id, asker)


def client() -> str | None:
    """Return the id of the page or program that asked for the run; None if it gave none."""
    return getattr(getattr(PromptServer, "instance", None), "client_id", None)
