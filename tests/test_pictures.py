"""What a picture file really is, whatever its name says."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


POSITION_NOTE = bytes.fromhex("4d4d002a00000008 0001 8825 0004 00000001 0000001a 00000000") + bytes.fromhex(
    "0001 0001 0002 00000002 4e000000 00000000"
)
"""An Exif note that tells a position (Exif 2.3)."""


@pytest.mark.parametrize("before", [True, False])
def test_a_position_is_noticed_before_and_behind_the_pixels(tmp_path: Path, before: bool) -> None:
    """PNG specification 11.3: eXIf may stand anywhere between IHDR and IEND."""
    out = io.BytesIO()
    Image.new("RGB", (40, 20), "navy").save(out, "PNG")
    whole = out.getvalue()
    start = whole.index(b"IDAT" if before else b"IEND") - 4
    path = tmp_path / "a.png"
    path.write_bytes(whole[:start] + chunk(b"eXIf", POSITION_NOTE) + whole[start:])
    facts = measure(path)
    assert facts is not None
    assert (facts.format, facts.width, facts.located) == ("PNG", 40, True)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_position_in_the_notes_of_a_drawing_program_is_noticed(tmp_path: Path, kind: str) -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r exif:GPSLatitude="51,30.0N"/></x:xmpmeta>'
    path = tmp_path / "picture"
    if kind == "PNG":
        notes = PngInfo()
        notes.add_itxt("XML:com.adobe.xmp", packet.decode())
        Image.new("RGB", (40, 20)).save(path, kind, pnginfo=notes)
    else:
        Image.new("RGB", (40, 20)).save(path, kind, xmp=packet)
    facts = measure(path)
    assert facts is not None
    assert facts.located


def test_colours_for_print_are_noticed(tmp_path: Path) -> None:
    told = []
    for mode in ("CMYK", "RGB", "L"):
        Image.new(mode, (8, 8)).save(tmp_path / "a.jpg")
        facts = measure(tmp_path / "a.jpg")
        told.append(facts and facts.printed)
    assert told == [True, False, False]


@pytest.mark.parametrize(
    ("data", "really"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html><svg></svg></html>", "a web page"),
        (b"\xef\xbb\xbf<html lang='en'>", "a web page"),
        (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC photograph"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04word", "a Word file or other package"),
        (SIGNATURE, "a damaged picture"),
        (b"Dear all", ""),
    ],
)
def test_what_is_no_picture_is_told_for_what_it_is(tmp_path: Path, data: bytes, really: str) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    facts = measure(path)
    assert facts is not None
    assert (facts.format, facts.really) == ("", really)
    with pytest.raises(BulletinError, match=f"are {really}\\." if really else "not a picture"):
        fit_for_mail(data)


def huge_png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def huge_jpeg(width: int, height: int) -> bytes:
    """A JPEG that says it is this large."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = out.getvalue()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize("make", [huge_png, huge_jpeg])
def test_a_picture_beyond_every_limit_is_measured_and_refused(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, make: Callable[[int, int], bytes]
) -> None:
    """Its size is told, so that the check of its pixels can speak."""
    path = tmp_path / "huge"
    path.write_bytes(make(30000, 20000))
    facts = measure(path)
    assert facts is not None
    assert (facts.width, facts.height) == (30000, 20000)
    assert facts.format in {"PNG", "JPEG"}
    with pytest.raises(BulletinError, match="25 million"):
        fit_for_mail(path.read_bytes())
    assert not recwarn.list


def test_z37_a_photograph_of_sixty_megapixels_is_shrunk_or_refused_in_little_memory() -> None:
    image = Image.new("RGB", (10000, 6000), "navy")
    plain, progressive = io.BytesIO(), io.BytesIO()
    image.save(plain, "JPEG", quality=50)
    image.save(progressive, "JPEG", quality=50, progressive=True)
    image.close()
    data, ending = fit_for_mail(plain.getvalue())
    with Image.open(io.BytesIO(data)) as small:
        assert (small.size, ending) == ((1200, 720), "jpg")
    with pytest.raises(BulletinError, match="25 million"):
        fit_for_mail(progressive.getvalue())


def test_a_drawing_with_a_palette_is_shrunk_in_its_colours() -> None:
    """Shrunk by numbers of its palette, thin lines would vanish."""
    image = Image.new("P", (2400, 20), 0)
    image.putpalette([255, 255, 255, 0, 0, 0])
    for x in range(1, 2400, 2):
        image.paste(1, (x, 0, x + 1, 20))
    out = io.BytesIO()
    image.save(out, "PNG")
    data, _ = fit_for_mail(out.getvalue())
    with Image.open(io.BytesIO(data)) as small:
        shade = small.convert("L").getpixel((600, 5))
    assert isinstance(shade, int)
    assert 80 < shade < 180


def test_a_sideways_photograph_is_fitted_upright() -> None:
    notes = Image.Exif()
    notes[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (3000, 2400)).save(out, "JPEG", exif=notes)
    data, _ = fit_for_mail(out.getvalue())
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (1200, 1500)


def real_files() -> list[bytes]:
    files = []
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        out = io.BytesIO()
        Image.linear_gradient("L").resize((24, 24)).save(out, kind)
        files.append(out.getvalue())
    return files


@given(
    data=st.sampled_from(real_files()),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), min_size=1, max_size=4),
    end=st.floats(0.1, 1),
)
@settings(deadline=None, max_examples=150)
def test_no_damaged_picture_stops_the_tool(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[tuple[float, bytes]], end: float
) -> None:
    for share, new in cuts:
        at = int(share * len(data))
        data = data[:at] + new + data[at + len(new) :]
    data = data[: int(end * len(data))]
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    assert measure(path) is not None
    try:
        fitted, ending = fit_for_mail(data)
    except BulletinError:
        pass
    else:
        assert fitted
        assert ending in {"png", "jpg"}
