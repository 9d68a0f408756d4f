"""Pictures as they may be published: without what cameras and programs write into them (Z-37)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bulletin.errors import BulletinError
from bulletin.pictures import LARGEST_BYTES, LARGEST_PIXELS, ORIENTATION

if TYPE_CHECKING:
    from PIL import Image as PillowImage

# What a picture needs to look right. Everything else (place, camera, author, program, thumbnails) stays behind.
_NEEDED = {"transparency", "gamma", "srgb", "aspect", "dpi", "background", "duration", "loop", "interlace"}
_HARMLESS = _NEEDED | {
    *("jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"),
    *("adobe", "adobe_transform", "version", "extension", "timestamp"),
}
_ENDS: Final = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9", "GIF": b";"}


def published(data: bytes, name: str) -> bytes:
    """The picture without its metadata; the same bytes where it has none.

    A picture that was stored on its side is turned upright, as the note that said so goes too. Raises `BulletinError`
    for one over 5 MB or 25 megapixels, before it is decoded, and for bytes that are no picture; `name` says which.
    """
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    if len(data) > LARGEST_BYTES:
        raise BulletinError(f"the picture {name} is larger than 5 MB.", hint="Save a copy 1,200 pixels wide.")
    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise BulletinError(
                    f"the picture {name} has {image.width} by {image.height} pixels.",
                    hint="Save a copy 1,200 pixels wide.",
                )
            image.load()
            return data if _is_bare(image, data) else _bare(image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise BulletinError(f"the picture {name} cannot be read.", hint="Save it again as PNG or JPEG.") from None


def size_of(data: bytes, widest: int) -> tuple[int, int]:
    """Width and height in pixels of a picture that is shown at most `widest` pixels wide."""
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        width = min(image.width, widest)
        return width, round(image.height * width / image.width)


def _is_bare(image: PillowImage.Image, data: bytes) -> bool:
    segments: list[tuple[str, Any]] = getattr(image, "applist", [])
    return (
        set(image.info) <= _HARMLESS
        and not image.getexif()
        and not getattr(image, "private_chunks", None)
        and all(name in {"APP0", "APP14"} for name, _ in segments)
        and data.endswith(_ENDS.get(image.format or "", b""))
    )


def _bare(image: PillowImage.Image) -> bytes:
    from io import BytesIO

    from PIL import ImageOps

    kind = image.format or "PNG"
    sideways = image.getexif().get(ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(image) if sideways else image
    # Colours outside sRGB would shift without their profile, and a profile can name a person's screen.
    upright.info = {key: value for key, value in upright.info.items() if key in _NEEDED}
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = {"quality": 92 if sideways else "keep", "optimize": True}
    elif kind == "PNG":
        options = {"optimize": True}
    elif getattr(image, "is_animated", False):
        options = {"save_all": True}
    out = BytesIO()
    upright.save(out, kind, **options)
    return out.getvalue()
