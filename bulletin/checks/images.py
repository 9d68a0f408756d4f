"""Pictures and the words that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from bulletin.checks._months import MONTHS
from bulletin.checks._reading import clipped, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.door import Loc
from bulletin.model import Image, Item, Picture, Severity

_HEAVY = 200_000
_WIDE = 1600


def _images(material: Material) -> Iterator[tuple[Loc, Item, Image, Picture | None]]:
    for at, item in material.items():
        if item.image:
            yield (*at, "image"), item, item.image, material.pictures.get(item.image.file)


@check("IMG01", Severity.MUST_FIX)
def missing_file(material: Material) -> Iterator[Found]:
    """A picture's file is not there.

    *Why*: the item would go out without its picture.

    *Instead of*: `file: codes.jpg` when the picture lies in the folder images.

    *Write*: `file: images/codes.jpg`, with capitals and spaces exactly as in the file's name.
    """
    for at, _item, image, facts in _images(material):
        if facts is None:
            yield Found(
                (*at, "file"),
                f"there is no picture {image.file} beside this file.",
                "Copy it there, or correct its name; capitals matter.",
            )


@check("IMG02", Severity.MUST_FIX)
def no_alternative_text(material: Material) -> Iterator[Found]:
    """A picture has no alternative text (G-03).

    *Why*: many readers do not see pictures: their mail program blocks them, or a screen reader speaks for them.

    *Instead of*: leaving `alt` out.

    *Write*: one sentence on what the picture shows, or `alt: ""` if it is only decoration.
    """
    for at, _item, image, _facts in _images(material):
        if image.alt is None:
            yield Found(
                at,
                f"the picture {image.file} has no alternative text.",
                'Say in "alt" what it shows, or write alt: "" if it is only decoration.',
            )


_GENERIC = frozenset(
    {
        "alt", "text", "alternative", "banner", "chart", "cover", "diagram", "figure", "graphic",
        "header", "icon", "illustration", "image", "logo", "photo", "photograph", "picture", "placeholder",
        "screenshot", "thumbnail", "untitled",
    }
)  # fmt: skip
_FILE_LIKE = re.compile(
    r"(?i)\S+\.(?:png|jpe?g|gif|webp|svg|heic|bmp|tiff?)$"
    r"|^(?:img|dsc|dscn|dscf|pxl|image|picture|photo|pic|screen ?shot|screenshot|i ?stock(?: ?photo)?|shutterstock|"
    r"getty ?images?|adobe ?stock|alamy|unsplash|pexels|pixabay|canva|whatsapp image|untitled|scan|logo|banner|header|"
    r"thumbnail|thumb|copy of \S+|final|download)[\s_()-]*[\d][\w\s.:()-]*$"
    r"|^[0-9a-f]{8,}(?:-[0-9a-f]+)*$|^[\d\s_.x-]+$"
)
_EDITION_WORDS = frozenset({"bulletin", "newsletter", "issue", "edition", "cover", "the"})


@check("IMG03", Severity.MUST_FIX)
def alternative_text_is_file_name(material: Material) -> Iterator[Found]:
    """A picture's alternative text is the name of its file, or a word such as "image".

    *Why*: web tools fill the alternative text in from the file's name. A screen reader then reads out
    "iStock 1471645492", which tells nobody what the picture shows.

    *Instead of*: "iStock 1471645492", "may bulletin", "IMG_2034.jpg" or "image".

    *Write*: "Two officers speak with a parent at a kitchen table."
    """
    for at, _item, image, _facts in _images(material):
        if image.alt and _says_nothing(image.alt, image.file, material.config.name):
            yield Found(
                (*at, "alt"),
                f'the alternative text "{clipped(image.alt)}" is a file name, not a description.',
                'Say in one sentence what the picture shows, or write alt: "" if it is only decoration.',
            )


def _says_nothing(alt: str, file: str, publication: str) -> bool:
    words = plain_key(alt.replace("_", " ")).split()
    stem = plain_key(PurePosixPath(file).stem.replace("_", " ")).split()
    letters = [word for word in words if not re.search(r"\d", word)]
    months = {month.casefold() for month in MONTHS}
    return (
        not words
        or words == stem
        or (bool(letters) and letters == [word for word in stem if not re.search(r"\d", word)])
        or all(word in _GENERIC for word in words)
        or bool(_FILE_LIKE.search(alt.strip()))
        or (
            bool(_EDITION_WORDS & set(letters))
            and set(letters) <= _EDITION_WORDS | months | {*plain_key(publication).split()}
        )
    )


@check("IMG04", Severity.LOOK)
def heavy_picture(material: Material) -> Iterator[Found]:
    """A picture is heavier than 200 kB or wider than 1600 pixels.

    *Why*: readers on a phone wait for it, and pay for it. The mail shows it at most 600 pixels wide.

    *Instead of*: the photograph as the camera saved it.

    *Write*: a copy 1200 pixels wide, saved as JPEG with middle quality, or as PNG for drawings.
    """
    for at, _item, image, facts in _images(material):
        if facts and facts.width * facts.height > _MOST_PIXELS:
            continue  # IMG08 tells
        if facts and facts.format and (facts.size > _HEAVY or facts.width > _WIDE):
            yield Found(
                (*at, "file"),
                f"the picture {image.file} is {facts.width} pixels wide and weighs {facts.size // 1000} kB.",
                "Shrink it to 1200 pixels wide and less than 200 kB.",
            )


@check("IMG05", Severity.MUST_FIX)
def unsuitable_format(material: Material) -> Iterator[Found]:
    """A picture is not PNG, JPEG or GIF, or is no picture at all (H-07).

    *Why*: mail programs do not show other formats. Outlook for Windows shows no WebP, Gmail shows no SVG.

    *Instead of*: `logo.svg`, `photo.webp`, or a WebP file that somebody named .jpg.

    *Write*: the picture saved again as JPEG (photographs) or PNG (drawings).
    """
    for at, _item, image, facts in _images(material):
        if facts and facts.format not in {"PNG", "JPEG", "MPO", "GIF"}:
            what = f"is {facts.format or facts.really or 'not a picture that can be read'}"
            yield Found(
                (*at, "file"),
                f"the file {image.file} {what}; mail programs show PNG, JPEG and GIF only.",
                _INSTEAD.get(facts.really, "Save it again as JPEG or PNG."),
            )


_INSTEAD = {
    "a web page": "Open the page, and save the picture itself: a right click on it says so.",
    "a film": "Link to the film, and show a still of it saved as JPEG.",
    "an empty file": "Copy the picture there again.",
    "a damaged picture": "Copy the picture there again, or save it again as JPEG or PNG.",
}


@check("IMG06", Severity.LOOK)
def unseen_picture(material: Material) -> Iterator[Found]:
    """A picture that no reader will see.

    *Why*: mail fetches pictures from the public archive. Items kept for an audience, and issues that are not public,
    have nothing there, so their pictures are left out.

    *Instead of*: a picture that carries a fact in an item for forces only.

    *Write*: the fact in the summary, and take the picture out; or make the issue public.
    """
    unseen = []
    for at, item, image, _facts in _images(material):
        if item.restricted:
            reason = "this item is kept for an audience"
            yield Found(at, f"nobody will see the picture {image.file}, because {reason}.", _OUT)
        elif not material.issue.public:
            unseen.append((at, image.file))
    if unseen:
        at, file = unseen[0]
        which = f"the picture {file}" if len(unseen) == 1 else f"{file} and the other pictures, {len(unseen)} in all"
        hint = f"Write public: true if the issue may be published. Else: {_OUT[0].lower()}{_OUT[1:]}"
        yield Found(at, f"nobody will see {which}, because this issue is not public.", hint)


_OUT = "Take it out, or leave it if that is meant."


@check("IMG07", Severity.LOOK)
def wordy_alternative_text(material: Material) -> Iterator[Found]:
    """A picture's alternative text repeats the headline, starts with "image of", or is longer than 200 characters.

    *Why*: a screen reader says "image" by itself, and reads the headline too. A long text cannot be skipped.

    *Instead of*: "Image of a phone".

    *Write*: "A phone shows a message from a stranger."
    """
    for at, item, image, _facts in _images(material):
        alt = (image.alt or "").strip()
        if plain_key(alt) == plain_key(item.title) and alt:
            yield Found((*at, "alt"), "the alternative text repeats the headline.", "Say what the picture shows.")
        elif re.match(r"(?i)(?:an? |the )?(?:image|picture|photo(?:graph)?|graphic) (?:of|showing)\b", alt):
            yield Found(
                (*at, "alt"),
                f'the alternative text starts with "{" ".join(alt.split()[:3])}".',
                "Leave that out; screen readers say it.",
            )
        elif len(alt) > 200:
            yield Found((*at, "alt"), f"the alternative text has {len(alt)} characters.", "Keep to one sentence.")


_MOST_PIXELS = 25_000_000


@check("IMG08", Severity.MUST_FIX)
def too_many_pixels(material: Material) -> Iterator[Found]:
    """A picture has more than 25 million pixels.

    *Why*: a phone needs hundreds of megabytes of memory to draw it, and many show nothing instead.

    *Instead of*: a scan of a poster as the machine saved it.

    *Write*: a copy 1200 pixels wide.
    """
    for at, _item, image, facts in _images(material):
        if facts and facts.width * facts.height > _MOST_PIXELS:
            millions = facts.width * facts.height // 1_000_000
            yield Found(
                (*at, "file"),
                f"the picture {image.file} has {millions} million pixels.",
                "Shrink it to 1200 pixels wide.",
            )


@check("IMG09", Severity.LOOK)
def moving_picture(material: Material) -> Iterator[Found]:
    """A picture moves (H-07).

    *Why*: classic Outlook shows the first frame only, and movement keeps some people from reading.

    *Instead of*: a GIF whose last frame holds the message.

    *Write*: a still picture, or one whose first frame says everything.
    """
    for at, _item, image, facts in _images(material):
        if facts and facts.moving:
            yield Found(
                (*at, "file"), f"the picture {image.file} moves; Outlook shows its first frame.", "Use a still."
            )


@check("IMG10", Severity.MUST_FIX)
def picture_with_position(material: Material) -> Iterator[Found]:
    """A picture that goes public notes where it was taken.

    *Why*: phones write the place into every photograph. Anybody can read it there: a home, a refuge, a school.

    *Instead of*: the photograph as the phone saved it.

    *Write*: a copy without notes. A screenshot of the picture has none, nor has a copy exported "without location".
    """
    for at, item, image, facts in _images(material):
        if facts and facts.located and material.issue.public and not item.restricted:
            yield Found(
                (*at, "file"),
                f"the picture {image.file} notes where it was taken, for everyone to read.",
                "Save a copy without its location, and use that.",
            )


@check("IMG11", Severity.LOOK)
def print_colours(material: Material) -> Iterator[Found]:
    """A picture has the colours of a printing press, CMYK (H-07).

    *Why*: classic Outlook and some phones show them garish or turned round, a face in green.

    *Instead of*: the picture out of the leaflet's print file.

    *Write*: a copy saved for the web, in RGB.
    """
    for at, _item, image, facts in _images(material):
        if facts and facts.printed:
            yield Found(
                (*at, "file"),
                f"the picture {image.file} has colours for print (CMYK), which mail programs show wrongly.",
                "Save it again for the web, as RGB.",
            )


_WIDEST_SHAPE, _TALLEST_SHAPE = 8, 3


@check("IMG12", Severity.LOOK)
def odd_shape(material: Material) -> Iterator[Found]:
    """A picture is more than eight times as wide as high, or more than three times as high as wide.

    *Why*: on a phone the first is a thread nobody can make out, and the second fills screen after screen.

    *Instead of*: a strip of ten logos, or a poster's whole list of contacts as one picture.

    *Write*: a part cut out of it that shows what matters, and the words as text.
    """
    for at, _item, image, facts in _images(material):
        if not facts or facts.width < 1 or facts.height < 1:
            continue
        if facts.width > _WIDEST_SHAPE * facts.height:
            shape = f"{facts.width / facts.height:.3g} times as wide as high"
        elif facts.height > _TALLEST_SHAPE * facts.width:
            shape = f"{facts.height / facts.width:.3g} times as high as wide"
        else:
            continue
        yield Found((*at, "file"), f"the picture {image.file} is {shape}.", "Cut out the part that matters.")
