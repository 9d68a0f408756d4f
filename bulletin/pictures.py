"""Picture files: what they really are, and made fit for mail."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

from bulletin.errors import BulletinError
from bulletin.model import Picture

WIDEST = 1200
"""Pixels across: twice the width shown, for sharp screens."""

ORIENTATION = 0x0112
"""The note in a picture that says which way up it is (Exif 2.3)."""

POSITION = 0x8825
"""The note in a picture that says where it was taken (Exif 2.3)."""

LARGEST_PIXELS = 25_000_000
LARGEST_BYTES = 5_000_000
"""What is refused before it is decoded, in mail and archive."""


def measure(path: Path) -> Picture | None:
    """What a picture file really is, whatever its name says; None if it is missing.

    Bytes that are no picture have no format.
    """
    if not path.is_file():
        return None
    size = path.stat().st_size
    drawn = _plain_png(path)
    if drawn is not None:
        return Picture(width=drawn[0], height=drawn[1], size=size, format="PNG")
    from PIL import Image, UnidentifiedImageError

    try:
        # Only the head is read, so a huge picture is no danger here; a check says that it is huge.
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(path) as image,
        ):
            # A camera held sideways notes that and leaves the pixels as they are; readers see the picture upright.
            turned = "exif" in image.info and image.getexif().get(ORIENTATION) in {5, 6, 7, 8}
            width, height = (image.height, image.width) if turned else (image.width, image.height)
            return Picture(
                width=width,
                height=height,
                size=size,
                format=image.format or "",
                moving=image.format == "GIF" and bool(getattr(image, "is_animated", False)),
                located="exif" in image.info and bool(image.getexif().get_ifd(POSITION)),
            )
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(width=0, height=0, size=size, format="")


def _plain_png(path: Path) -> tuple[int, int] | None:
    """Width and height from the first bytes of a PNG file; None for whatever needs a closer look.

    Most pictures of a bulletin are drawn ones, and loading the library that reads all others takes longer than
    everything else that is asked of them. A file with notes before its pixels may be turned, and is left to it.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" or b"IDAT" not in head or b"eXIf" in head.partition(b"IDAT")[0]:
        return None
    if zlib.crc32(head[12:29]) != int.from_bytes(head[29:33]):
        return None
    width, height = struct.unpack(">II", head[16:24])
    return (width, height) if width and height and width * height <= LARGEST_PIXELS else None


def fit_for_mail(data: bytes) -> tuple[bytes, str]:
    """A picture from elsewhere as PNG or JPEG at most `WIDEST` across, without metadata (H-07, Z-37), and its ending.

    Raises `BulletinError` for bytes that are no picture, and before decoding one over 5 MB or 25 megapixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(data) > LARGEST_BYTES:
        raise BulletinError(
            "the picture is larger than 5 MB.", hint="Make a smaller one and put it into images/ by hand."
        )
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise BulletinError(
                    "the picture has more than 25 million pixels.",
                    hint="Make a smaller one and put it into images/ by hand.",
                )
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((WIDEST, WIDEST * 2))
            drawn = upright.mode in {"P", "1", "L", "LA", "RGBA", "PA"}
            out = io.BytesIO()
            if drawn:
                upright.convert("RGBA" if "A" in upright.mode or "transparency" in upright.info else "RGB").save(
                    out, "PNG", optimize=True
                )
                return out.getvalue(), "png"
            upright.convert("RGB").save(out, "JPEG", quality=82, optimize=True, progressive=True)
            return out.getvalue(), "jpg"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise BulletinError(
            "these bytes are not a picture.", hint="Open the address in a browser to see what it holds."
        ) from None
