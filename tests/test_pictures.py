"""What a picture file really is, whatever its name says."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bulletin.errors import BulletinError
from bulletin.pictures import WIDEST, fit_for_mail, measure


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_pictures_are_measured_as_they_are_seen(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "picture.dat"
    image = Image.new(mode, (31, 17))
    if kind in {"JPEG", "WEBP"}:
        image = image.convert("RGB")
    image.save(path, kind)
    facts = measure(path)
    assert facts is not None
    assert (facts.format, facts.width, facts.height, facts.size) == (kind, 31, 17, path.stat().st_size)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_is_turned_by_a_note_is_measured_upright(tmp_path: Path, kind: str) -> None:
    notes = Image.Exif()
    notes[0x0112] = 6
    path = tmp_path / "sideways"
    Image.new("RGB", (40, 20)).save(path, kind, exif=notes)
    facts = measure(path)
    assert facts is not None
    assert (facts.width, facts.height) == (20, 40)


def chunk(name: bytes, data: bytes, *, right: bool = True) -> bytes:
    """A chunk of a PNG file (PNG specification 5.3)."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) if right else 1)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.pack(">IIBBBBB", 5, 5, 8, 2, 0, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>Not a picture</title>",
        SIGNATURE,
        SIGNATURE + chunk(b"IHDR", HEADER, right=False) + chunk(b"IDAT", b""),
        SIGNATURE + chunk(b"IHDR", bytes(13)) + chunk(b"IDAT", b""),
        SIGNATURE + b"\0\0\0\rIHDR",
    ],
)
def test_what_is_no_picture_has_no_format(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    facts = measure(path)
    assert facts is not None
    assert facts.format == "" or facts.width == 0


def test_a_missing_picture_has_no_facts(tmp_path: Path) -> None:
    assert measure(tmp_path / "none.png") is None
    assert measure(tmp_path) is None


def test_z37_pictures_from_elsewhere_lose_their_notes_and_their_surplus_pixels(tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("Comment", "taken by somebody at home")
    path = tmp_path / "big.png"
    Image.new("RGB", (3000, 1500), "navy").save(path, pnginfo=notes)
    data, ending = fit_for_mail(path.read_bytes())
    small = tmp_path / f"small.{ending}"
    small.write_bytes(data)
    facts = measure(small)
    assert facts is not None
    assert facts.width == WIDEST
    assert b"somebody at home" not in data


def test_z37_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (6000, 5000)).save(path)
    with pytest.raises(BulletinError, match="25 million"):
        fit_for_mail(path.read_bytes())


def test_a_position_and_movement_are_noticed_in_real_files(tmp_path: Path) -> None:
    """H-07, and what a phone writes into a photograph."""
    notes = Image.Exif()
    notes[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=notes)
    frames = [Image.new("RGB", (4, 4), shade) for shade in ("red", "blue")]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    Image.new("P", (4, 4)).save(tmp_path / "c.gif")
    told = [
        facts and (facts.located, facts.moving)
        for name in ("a.jpg", "b.gif", "c.gif")
        if (facts := measure(tmp_path / name))
    ]
    assert told == [(True, False), (False, True), (False, False)]


def test_a_picture_of_a_hundred_million_pixels_is_measured_in_silence(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    data = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 10000, 10000, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"")
    (tmp_path / "large.png").write_bytes(data)
    facts = measure(tmp_path / "large.png")
    assert facts is not None
    assert (facts.format, facts.width, facts.height) == ("PNG", 10000, 10000)
    assert not recwarn.list
