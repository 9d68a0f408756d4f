"""Picture files: what they really are, and made fit for mail."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bulletin.errors import BulletinError
from bulletin.model import Picture

if TYPE_CHECKING:
    from PIL import Image

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

    Bytes that are no picture have no format. Nothing is decoded, however large the picture is.
    """
    if not path.is_file():
        return None
    size = path.stat().st_size
    with path.open("rb") as file:
        drawn = _plain_png(file)
        if drawn is not None:
            return Picture(width=drawn[0], height=drawn[1], size=size, format="PNG")
        file.seek(0)
        return _measured(file, size) or Picture(width=0, height=0, size=size, format="", really=_really(file))


def _measured(file: BinaryIO, size: int) -> Picture | None:
    """The facts of a picture that Pillow knows; None for all else."""

    try:
        with (
            warnings.catch_warnings(action="ignore"),
            _opened(file) as image,
        ):
            notes = _notes(image, file)
            # A camera held sideways notes that and leaves the pixels as they are; readers see the picture upright.
            turned = notes is not None and notes.get(ORIENTATION) in _SIDEWAYS
            width, height = (image.height, image.width) if turned else (image.width, image.height)
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
            return Picture(
                width=width,
                height=height,
                size=size,
                format=image.format or "",
                moving=image.format == "GIF" and bool(getattr(image, "is_animated", False)),
                located=(notes is not None and bool(notes.get_ifd(POSITION)))
                or ("GPSLatitude" in packet if isinstance(packet, str) else b"GPSLatitude" in packet),
                printed=image.mode == "CMYK",
            )
    except _unreadable():
        return None


def _opened(file: BinaryIO) -> Image.Image:
    """A picture with only its head read. Pillow refuses the largest by itself; their heads are read all the same."""
    from PIL import Image

    try:
        return Image.open(file)
    except Image.DecompressionBombError:
        file.seek(0)
        head = file.read(16)
        for name in Image.ID:
            factory, accepts = Image.OPEN[name]
            if name in _KNOWN and accepts and accepts(head) is True:
                file.seek(0)
                return factory(file, "")
        raise


def _notes(image: Image.Image, file: BinaryIO) -> Image.Exif | None:
    """The camera's notes. A PNG may carry them behind its pixels, where Pillow looks only when it decodes these."""
    from PIL import Image

    if "exif" in image.info:
        return image.getexif()
    late = next((data for name, data in _chunks(file) if name == b"eXIf"), b"") if image.format == "PNG" else b""
    if not late:
        return None
    notes = Image.Exif()
    notes.load(late)
    return notes


def _unreadable() -> tuple[type[Exception], ...]:
    """What Pillow raises for bytes that are no whole picture."""
    from PIL import Image

    return (
        *(OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError, LookupError, TypeError, struct.error),
        *(AttributeError, RuntimeError, zlib.error, Image.DecompressionBombError),
    )


def _plain_png(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height from the first bytes of a PNG file; None for whatever needs a closer look.

    Most pictures of a bulletin are drawn ones, and loading the library that reads all others takes longer than
    everything else that is asked of them. A file with notes may be turned or say where it was taken, and is left to it.
    """
    head = file.read(33)
    if head[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" or zlib.crc32(head[12:29]) != int.from_bytes(head[29:33]):
        return None
    names = {name for name, _ in _chunks(file)}
    if b"IDAT" not in names or names & _NOTES:
        return None
    width, height = struct.unpack(">II", head[16:24])
    return (width, height) if width and height and width * height <= LARGEST_PIXELS else None


_NOTES = frozenset({b"eXIf", b"iTXt"})
_MOST_CHUNKS, _LARGEST_NOTE = 50_000, 1_000_000


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG file by name, pixels stepped over; with their bytes if they are notes (PNG 5.3)."""
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, name = int.from_bytes(head[:4]), head[4:]
        wanted = name in _NOTES and length <= _LARGEST_NOTE
        data = file.read(length) if wanted else b""
        file.seek(4 if wanted else length + 4, 1)
        yield name, data


_SIGNS = (
    (rb"(?is)\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype svg[^>]*>\s*)?<svg\b", "an SVG drawing"),
    (rb"(?is)\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", "a web page"),
    (rb"(?s).{4}ftyp(?:hei|hev|mif1|msf1)", "a HEIC photograph"),
    (rb"(?s).{4}ftyp", "a film"),
    (rb"%PDF-", "a PDF document"),
    (rb"PK\x03\x04", "a Word file or other package"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (rb"(?:\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP)", "a damaged picture"),
)


def _really(file: BinaryIO) -> str:
    """What bytes are that are no picture; nothing if that cannot be told."""
    file.seek(0)
    head = file.read(1024)
    if not head:
        return "an empty file"
    return next((what for sign, what in _SIGNS if re.match(sign, head.removeprefix(b"\xef\xbb\xbf"))), "")


def fit_for_mail(data: bytes) -> tuple[bytes, str]:
    """A picture from elsewhere as PNG or JPEG at most `WIDEST` across, without metadata (H-07, Z-37), and its ending.

    Raises `BulletinError` for bytes that are no picture, and before decoding one over 5 MB or 25 megapixels. A JPEG of
    more is read at a smaller size from the start, unless it is built so that this saves no memory (progressive).
    """
    from PIL import Image

    if len(data) > LARGEST_BYTES:
        raise BulletinError(
            "the picture is larger than 5 MB.", hint="Make a smaller one and put it into images/ by hand."
        )
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            # Only formats that are decoded here: some others start programs to be drawn.
            Image.open(io.BytesIO(data), formats=_KNOWN) as image,
        ):
            return _fitted(image)
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except _unreadable():
        really = _really(io.BytesIO(data))
        what = f"are {really}" if really else "are not a picture"
        raise BulletinError(
            f"these bytes {what}.", hint="Open the address in a browser to see what it holds."
        ) from None


_KNOWN = ("PNG", "JPEG", "MPO", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
_SIDEWAYS = frozenset({5, 6, 7, 8})


def _too_many_pixels() -> BulletinError:
    return BulletinError(
        "the picture has more than 25 million pixels.", hint="Make a smaller one and put it into images/ by hand."
    )


def _fitted(image: Image.Image) -> tuple[bytes, str]:
    from PIL import ImageOps

    huge = image.width * image.height > LARGEST_PIXELS
    # Asked before the camera's notes are: to find them, all pixels of a PNG are decoded.
    if huge and (image.format not in {"JPEG", "MPO"} or image.info.get("progressive")):
        raise _too_many_pixels()
    sideways = image.getexif().get(ORIENTATION) in _SIDEWAYS
    box = (WIDEST * 2, WIDEST) if sideways else (WIDEST, WIDEST * 2)
    if huge:
        image.draft(None, box)
        if image.width * image.height > LARGEST_PIXELS:
            raise _too_many_pixels()
    shown = image
    if image.mode in {"P", "PA", "1"}:
        # Shrinking needs colours, not numbers of a palette.
        shown = image.convert("RGBA" if "A" in image.mode or "transparency" in image.info else "RGB")
    drawn = image.mode in {"P", "1", "L", "LA", "RGBA", "PA"}
    shown.thumbnail(box)
    upright = ImageOps.exif_transpose(shown)
    out = io.BytesIO()
    if drawn:
        upright.convert("RGBA" if "A" in upright.mode or "transparency" in upright.info else "RGB").save(
            out, "PNG", optimize=True
        )
        return out.getvalue(), "png"
    upright.convert("RGB").save(out, "JPEG", quality=82, optimize=True, progressive=True)
    return out.getvalue(), "jpg"
