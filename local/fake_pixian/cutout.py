"""The model: U²-Net-p finds the foreground, which keeps its own colors."""

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image, ImageChops

SIDE = 320
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# Enlarging the mask from 320 x 320 pixels blurs its edges; steeper edges remove the halo.
STEEPNESS = 2.0
NEAR = 4

type Floats = npt.NDArray[np.float32]


@cache
def load_model(path: Path) -> onnxruntime.InferenceSession:
    """Load it once per process; many threads can run it at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def make_cutout(image: Image.Image, model: onnxruntime.InferenceSession) -> Image.Image:
    """Make the background transparent.

    Returns RGBA: the foreground in its exact colors, the background all zeros.
    """
    alpha = _mask(image, model).resize(image.size, Image.Resampling.BICUBIC).point(_alpha_table())
    if image.mode == "RGBA":
        alpha = ImageChops.multiply(alpha, image.getchannel("A"))
    result = image.convert("RGBA")
    result.putalpha(alpha)
    result.paste((0, 0, 0, 0), mask=alpha.point([255] + [0] * 255))
    return result


def _mask(image: Image.Image, model: onnxruntime.InferenceSession) -> Image.Image:
    return Image.frombytes("L", (SIDE, SIDE), _inferred(model, _input(image).tobytes()))


# Tests and retries send the same photograph again, and inference takes nearly all of the time.
@lru_cache(maxsize=16)
def _inferred(model: onnxruntime.InferenceSession, pixels: bytes) -> bytes:
    given, wanted = model.get_inputs()[0].name, model.get_outputs()[0].name
    planes = np.frombuffer(pixels, np.float32).reshape(1, 3, SIDE, SIDE)
    output: Floats = model.run([wanted], {given: planes})[0][0, 0]
    above: Floats = output - output.min()
    scaled: Floats = above / np.maximum(above.max(), 1e-6)
    return (scaled * 255).round().astype(np.uint8).tobytes()


def _input(image: Image.Image) -> Floats:
    # Reducing first avoids a filter over every pixel of a large image.
    small = image.reduce(max(1, min(image.size) // (2 * SIDE)))
    small = _on_white(small).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.float32)
    scaled: Floats = (pixels / np.maximum(pixels.max(), 1) - MEAN) / DEVIATION
    return scaled.transpose(2, 0, 1)[np.newaxis]


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground.convert("RGB")


@cache
def _alpha_table() -> list[int]:
    steep = np.clip((np.arange(256) - 127.5) * STEEPNESS + 127.5, 0, 255).round().astype(int)
    steep[steep <= NEAR] = 0
    steep[steep >= 255 - NEAR] = 255
    table: list[int] = steep.tolist()
    return table
