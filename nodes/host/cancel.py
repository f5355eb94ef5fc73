"""Cancelling: ComfyUI's exception, raised where a clip is worked on frame by frame."""

import comfy.model_management


def stop_if_cancelled() -> None:
    """Raise ComfyUI's exception where the person has cancelled the run."""
    comfy.model_management.throw_exception_if_processing_interrupted()
