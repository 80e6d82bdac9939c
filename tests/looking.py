"""A stack in memory whose buckets hold what the page shows: good, odd, and failed images."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import boto3
from PIL import Image, ImageDraw

from pixian_s3.config.document import Configuration, parse

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
CONFIGURATION: dict[str, Any] = {
    "defaults": {"test": True},
    "prefixes": {"shoes/": {"test": False}},
}


@dataclass(frozen=True)
class Buckets:
    """A stack's two buckets."""

    outputs: Mapping[str, str]
    stack_name: str = "shop"

    def client(self, service: str) -> Any:
        return boto3.client(service)  # type: ignore[call-overload]

    @classmethod
    def create(cls) -> "Buckets":
        """Empty ones, in the AWS that is active."""
        s3 = boto3.client("s3")
        place: Any = {"LocationConstraint": "eu-central-1"}
        for name in ("input", "output"):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
        s3.put_bucket_versioning(Bucket="input", VersioningConfiguration={"Status": "Enabled"})
        return cls({"InputBucket": "input", "OutputBucket": "output"})

    def upload(self, key: str, body: bytes) -> dict[str, str]:
        """Store an original; return the metadata that names it."""
        put = self.client("s3").put_object(Bucket="input", Key=key, Body=body)
        return {
            "source-key": quote(key),
            "source-etag": put["ETag"].strip('"'),
            "source-version-id": put["VersionId"],
        }

    def add_result(self, source: Mapping[str, str], key: str, body: bytes, **said: str) -> None:
        """Store a result with what Pixian said; `_` stands for `-` in the names."""
        about = {name.replace("_", "-"): value for name, value in said.items()}
        self.client("s3").put_object(
            Bucket="output", Key=key, Body=body, Metadata={**source, **about}
        )

    def add_report(self, key: str, source: Mapping[str, str], error: str, **more: Any) -> None:
        """Store an error report."""
        document = {
            "error": error,
            "what_now": "Do what the error says. "
            "The file isn't processed again until you upload it again.",
            "pixian": None,
            "source": {
                "key": key,
                "etag": source.get("source-etag", ""),
                "version_id": source.get("source-version-id"),
            },
            "parameters": {"test": "true"},
        }
        self.client("s3").put_object(
            Bucket="output",
            Key=f"{key}.error.json",
            Body=json.dumps(document | more),
            Metadata={"final": "true"},
        )


def configuration() -> Configuration:
    return parse(json.dumps(CONFIGURATION).encode())


def picture(size: tuple[int, int] = (600, 400), form: str = "JPEG") -> bytes:
    """A photograph: a disc before a wall."""
    return encoded(_drawn(Image.new("RGB", size, "#8fa3b5")), form)


def cutout(size: tuple[int, int] = (600, 400), form: str = "PNG") -> bytes:
    """Its cutout."""
    return encoded(_drawn(Image.new("RGBA", size, (0, 0, 0, 0))), form)


def _drawn(image: Image.Image) -> Image.Image:
    width, height = image.size
    disc = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
    ImageDraw.Draw(image).ellipse(disc, fill="#c2410c")
    return image


def encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def said(size: tuple[int, int] = (600, 400), **more: str) -> dict[str, str]:
    """What Pixian says about `picture` and `cutout` of a size."""
    width, height = size
    box = f"{height // 4} {width // 4} {width // 2} {height // 2}"
    return {
        "pixian_input_size": f"{width} {height}",
        "pixian_result_size": f"{width} {height}",
        "pixian_input_foreground": box,
        "pixian_result_foreground": box,
        "pixian_credits_charged": "0.5",
    } | more


def fill(stack: Buckets) -> None:
    """Put one of each kind into the buckets."""
    ordinary = stack.upload("shoes/plain.jpg", picture())
    stack.add_result(ordinary, "shoes/plain.png", cutout(), **said(check="ok"))
    cropped = stack.upload("shoes/cropped.jpg", picture())
    stack.add_result(
        cropped,
        "shoes/cropped.png",
        cutout((100, 100)),
        **said(
            pixian_result_size="100 100",
            pixian_result_foreground="25 0 100 50",
            pixian_credits_charged="1.25",
        ),
    )
    timed = {"seconds": {"end_to_end": 25.4, "pixian": 7.5}, "parameters": {"test": "false"}}
    stack.client("s3").put_object(
        Bucket="output",
        Key="shoes/cropped.png.json",
        Body=json.dumps(timed),
        Metadata={"source-key": cropped["source-key"]},
    )
    odd = stack.upload("odd.jpg", picture())
    stack.add_result(
        odd, "odd.png", cutout(), **said(pixian_test="true", check="touches-border,small-subject")
    )
    tiff = stack.upload("scan.tif", picture(form="TIFF"))
    converted = {"source_size": "8000x6000", "source_converted": "image/png 5773x4330 pixels"}
    stack.add_result(tiff, "scan.png", cutout(), **said(pixian_test="true"), **converted)
    stack.add_report(HOSTILE, stack.upload(HOSTILE, b"not an image"), f"It is damaged: {HOSTILE}")
    kept = stack.upload("shoes/late.jpg", picture())
    stack.add_report("shoes/late.jpg", kept, "It was blocked for 4 days.")
    stack.client("s3").put_object(Bucket="output", Key="others.txt", Body=b"not ours")
