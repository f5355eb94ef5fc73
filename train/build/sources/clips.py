"""All clips of all sources, before any picture is read."""

from ..config import BuildConfig
from .a2d_sentences import a2d_clips
from .plain import plain_clips
from .raw import RawClip
from .refer_youtube_vos import refer_youtube_vos_clips


def clips_of(config: BuildConfig) -> list[RawClip]:
    """Every clip of every source. Raises LGVIError for a source that is not what it should be."""
    clips: list[RawClip] = []
    for source in config.sources:
        match source.kind:
            case "plain":
                clips += plain_clips(source.name, source.root)
            case "refer_youtube_vos":
                clips += refer_youtube_vos_clips(source.name, source.root, source.split)
            case "a2d_sentences":
                clips += a2d_clips(source.name, source.root)
    return clips
