"""Write the demo video: a held-out scene, drawn at twice the training size, with a short melody.

    python -m train.make_sample_clip --output workflows/inputs/lgvi_sample.mp4

The file is an MP4 with H.264 video and AAC audio.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from .data.drawn.numbered import scene_of
from .data.drawn.scenes import draw_scene

SCENE = 3_000_087  # number in the held-out split; no evaluation uses numbers this high
FRAMES, FPS = 24, 8
HEIGHT, WIDTH = 192, 320
SAMPLE_RATE = 44_100
AUDIO_CHUNK = 1024
NOTES = (261.63, 329.63, 392.0, 523.25, 392.0, 329.63)  # Hz: C E G C G E, one each half second


def melody() -> np.ndarray:
    """Plucked notes of the video's length: float32 [samples] in -1 to 1 at SAMPLE_RATE."""
    time = np.arange(SAMPLE_RATE * FRAMES // FPS) / SAMPLE_RATE
    sound = np.zeros_like(time)
    for i, frequency in enumerate(NOTES):
        since = time - i / 2
        tone = np.sin(2 * np.pi * frequency * since) + 0.3 * np.sin(4 * np.pi * frequency * since)
        sound += np.where(since >= 0, tone * np.exp(-4 * np.clip(since, 0, None)), 0)
    return (0.3 * sound).clip(-1, 1).astype(np.float32)


def write_clip(path: Path, frames: np.ndarray, sound: np.ndarray) -> None:
    """Write an MP4 file of `frames`, uint8 [f, h, w, 3], and `sound`, float32 [samples]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "16"})
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 64_000
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for start in range(0, len(sound), AUDIO_CHUNK):
            chunk = np.ascontiguousarray(sound[None, start : start + AUDIO_CHUNK])
            part = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
            part.sample_rate, part.pts = SAMPLE_RATE, start
            part.time_base = Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(part))
        container.mux(audio.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scene", type=int, default=SCENE, help="number of the held-out scene")
    parser.add_argument("--output", type=Path, required=True, help="MP4 file to write")
    args = parser.parse_args()
    scene = scene_of("held-out", args.scene, FRAMES, WIDTH / HEIGHT)
    frames = draw_scene(scene, HEIGHT, WIDTH).compose(range(len(scene.objects)))
    write_clip(args.output, frames, melody())
    names = ", ".join(f"{o.colour} {o.noun}" for o in scene.objects)
    print(f"{args.output}: {names}; {args.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
