"""Themes: whose template counts, what they may include, and how their mistakes are named."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from layouts import every_layout
from lxml import html as lxml_html
from PIL import Image as PillowImage

from bulletin import flow
from bulletin.archive import site
from bulletin.config import Brand
from bulletin.editions import make_edition
from bulletin.errors import BulletinError
from bulletin.model import Edition, RenderedEdition
from bulletin.publication import Publication, open_publication
from bulletin.render import palette, render, theme

PUBLICATION = open_publication(Path(__file__).resolve().parent.parent, {})
CONFIG = PUBLICATION.config


def may() -> Edition:
    issue = PUBLICATION.read_issue("2024-05").issue
    return make_edition(issue, CONFIG, PUBLICATION.pictures(issue))


def themed(folder: Path, files: dict[str, str]) -> RenderedEdition:
    for name, content in files.items():
        path = folder / "templates" / "mail" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    own = Publication(folder, CONFIG, {})
    return render(may(), CONFIG, template_dirs=own.template_dirs, secret=b"a key that only these tests use.")


def page_with(body: str) -> str:
    return (
        "<mjml>\n<mj-body>\n<mj-section>\n<mj-column>\n"
        '<mj-text><a href="{{ personal.unsubscribe_url }}">Unsubscribe</a></mj-text>\n'
        f"{body}\n</mj-column>\n</mj-section>\n</mj-body>\n</mjml>\n"
    )


def test_a_publications_own_file_comes_before_the_starters_and_only_that_file(tmp_path: Path) -> None:
    mine = themed(
        tmp_path, {"masthead.mjml": "<mj-section><mj-column><mj-text><h1>Ours</h1></mj-text></mj-column></mj-section>"}
    )
    page = lxml_html.document_fromstring(mine.html)
    assert [heading.text for heading in page.xpath("//h1")] == ["Ours"]
    assert len(page.xpath("//h3")) == len(list(may().items))


def test_mjml_includes_come_from_the_theme_and_see_its_values(tmp_path: Path) -> None:
    mine = themed(
        tmp_path,
        {
            "issue.mjml": page_with('<mj-include path="mail/part.mjml" />'),
            "part.mjml": '<mj-text css-class="x">{{ edition.title }} for {{ personal.address }} ❤️</mj-text>',
        },
    )
    assert (
        f"VKPP Bulletin, May 2024 for {mine.markers['address']} ❤️"
        in lxml_html.document_fromstring(mine.html).text_content()
    )


MISTAKES = {
    "unknown name": (
        "<mj-text>{{ editon.title }}</mj-text>",
        6,
        'nothing is called "editon" here. Did you mean "edition"?',
    ),
    "unknown field": ("<mj-text>{{ edition.titel }}</mj-text>", 6, 'there is no "titel" here. Did you mean "title"?'),
    "unknown filter": ("<mj-text>{{ edition.title|shout }}</mj-text>", 6, "No filter named 'shout'"),
    "unclosed block": ("{% if edition %}", 7, "end of template"),
    "stray end": ("{% endfor %}", 6, "endfor"),
    "missing file": ('{% include "mail/nowhere.mjml" %}', 6, 'there is no template "mail/nowhere.mjml"'),
    "outside the theme": ('{% include "../../etc/passwd" %}', 6, "there is no template"),
    "includes itself": ('{% include "mail/issue.mjml" %}', 6, "includes itself"),
    "not allowed": ("{{ edition.__class__.__mro__ }}", 6, "__class__"),
    "no such sum": ("{{ edition.date + 'x' }}", 6, "cannot work this out"),
    "misspelt tag": ("<mj-texx>x</mj-texx>", 6, "Did you mean <mj-text>?"),
    "wrong place": ("<mj-section></mj-section>", 6, "<mj-section> cannot stand directly in <mj-column>"),
    "unclosed tag": ("<mj-text><b>x</mj-text>", 6, "</mj-text> stands where </b> is due"),
    "stray bracket": ("\n<mj-text>1 < 2</mj-text>", 7, "starts no tag"),
    "after a loop": ("{% for x in range(40) %}\n<br />\n{% endfor %}\n<p></p>", 7, "<br> cannot stand"),
    "bare value": ("<mj-text color=red>x</mj-text>", 1, "MJML cannot read this"),
    "mjml loop": ('<mj-include path="mail/issue.mjml" />', 1, "cannot be a whole <mjml>"),
    "mjml include missing": ('<mj-include path="mail/nowhere.mjml" />', 6, 'no template "mail/nowhere.mjml"'),
    "deep": ("<mj-text>" + "<div>" * 12_000 + "</div>" * 12_000 + "</mj-text>", 6, "too deeply"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_template_is_named_with_its_line_and_a_remedy(tmp_path: Path, case: str) -> None:
    body, line, said = MISTAKES[case]
    with pytest.raises(BulletinError) as caught:
        themed(tmp_path, {"issue.mjml": page_with(body)})
    error = caught.value
    assert said in str(error)
    assert error.place is not None
    assert (error.place.path, error.place.line) == ("templates/mail/issue.mjml", line)
    assert error.hint
    assert str(tmp_path) not in str(error)


def test_a_mistake_in_an_included_file_is_named_there(tmp_path: Path) -> None:
    with pytest.raises(BulletinError) as caught:
        themed(tmp_path, {"item.mjml": "<mj-text>\n{{ item.title }}\n<mj-button>x</mj-button>\n</mj-text>"})
    assert str(caught.value.place) == "templates/mail/item.mjml:3:1"
    with pytest.raises(BulletinError) as caught:
        themed(tmp_path, {"item.mjml": "<mj-text>\n\n{{ item.headline }}\n</mj-text>"})
    assert str(caught.value.place) == "templates/mail/item.mjml:3:1"


def test_an_mjml_include_of_itself_ends_with_a_message_not_the_program(tmp_path: Path) -> None:
    part = '<mj-section><mj-column><mj-include path="mail/part.mjml" /></mj-column></mj-section>'
    loop = {"issue.mjml": '<mjml><mj-body><mj-include path="mail/part.mjml" /></mj-body></mjml>', "part.mjml": part}
    with pytest.raises(BulletinError, match="again and again"):
        themed(tmp_path, loop)


def test_a_mistake_in_the_text_template_is_named_there(tmp_path: Path) -> None:
    with pytest.raises(BulletinError) as caught:
        themed(tmp_path, {"issue.txt": "{{ edition.title }}\n{{ nobody }}\n"})
    assert str(caught.value.place) == "templates/mail/issue.txt:2:1"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("<mjml></mjml>{{ personal.unsubscribe_url }}", "no <mj-body>"),
        ("<mjml><mj-body></mj-body></mjml>", "no link to unsubscribe"),
        (
            "<mjml><mj-head><mj-title>{{ personal.unsubscribe_url }}</mj-title></mj-head><mj-body></mj-body></mjml>",
            "as often",
        ),
    ],
)
def test_a_theme_that_cannot_serve_its_readers_is_refused(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(BulletinError, match=said) as caught:
        themed(tmp_path, {"issue.mjml": source})
    assert caught.value.place is not None
    assert caught.value.place.path == "templates/mail/issue.mjml"


def test_a_template_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "templates" / "mail").mkdir(parents=True)
    (tmp_path / "templates" / "mail" / "issue.txt").write_bytes("Tŷ".encode("utf-16"))
    with pytest.raises(BulletinError, match=r"mail/issue\.txt: .*not UTF-8"):
        themed(tmp_path, {})


def test_z39_a_template_used_for_text_and_for_html_escapes_where_it_should(tmp_path: Path) -> None:
    """Compiled templates are kept between runs: one compiled for text must never write markup."""
    (tmp_path / "both.txt").write_text("{{ words }}", "utf-8")
    for _ in range(2):
        theme._environment.cache_clear()  # as a new command would find it
        assert theme.run((tmp_path,), "both.txt", {"words": "<b>"}, escape=False) == "<b>"
        assert theme.run((tmp_path,), "both.txt", {"words": "<b>"}, escape=True) == "&lt;b&gt;"


def test_templates_that_cannot_be_kept_cost_no_mail(tmp_path: Path) -> None:
    """The place for compiled templates is full, or read-only as in some containers; the mail is made all the same."""
    program = (
        "import resource\n"
        "from pathlib import Path\n"
        "from bulletin.render import theme\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "print(theme.run((Path('.'),), 'page.txt', {'name': 'Ann'}, escape=False), end='')\n"
    )
    (tmp_path / "page.txt").write_text("Dear {{ name }}\n", "utf-8")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "Dear Ann\n"), done.stderr
    assert not list((tmp_path / "cache").rglob("*.cache"))


def test_the_brand_reaches_mail_and_archive_from_one_place() -> None:
    brand = Brand(
        masthead="The Exampleton Gazette",
        strapline="News of the town",
        colour="#7a1f4b",
        accent="#8a5a00",
        font="Georgia, serif",
    )
    config = dataclasses.replace(CONFIG, brand=brand)
    mail = render(
        may(), config, template_dirs=PUBLICATION.template_dirs, secret=b"a key that only these tests use."
    ).html
    issue = PUBLICATION.read_issue("2024-05").issue
    public = site.build(
        [issue],
        config,
        pictures={issue.id: PUBLICATION.pictures(issue)},
        picture_bytes=PUBLICATION.picture_bytes,
        template_dirs=PUBLICATION.template_dirs,
    )
    page, style = (public[name].decode() for name in ("2024-05/index.html", "style.css"))
    for said in (brand.masthead, brand.strapline):
        assert said in mail
        assert said in page
    for value in (brand.colour, brand.accent, brand.font):
        assert value in mail
        assert value in style or (value == brand.accent and palette.light(brand).label in style)


def test_the_mastheads_picture_is_in_mail_archive_and_local_copy_with_its_words_for_those_who_do_not_see_it(
    tmp_path: Path,
) -> None:
    """H-06, X-10: an absolute https address, a width, and alternative text."""
    home = with_logo(tmp_path)
    flow.build_archive(home, tmp_path / "site")
    written = flow.write_rendered(home, "2024-05", tmp_path / "mail", local_pictures=True)
    mail = next(one for one in flow.render(home, "2024-05") if one.audience == "everyone").html
    assert re.search(
        r'<h1 [^>]*><img (?=[^>]*src="https://news\.example\.org/2024-05/masthead\.png")(?=[^>]*width="536")'
        r'(?=[^>]*alt="Quay News")[^>]*></h1>',
        mail,
    )
    assert 'src="masthead.png"' in written[-2][0].read_text()
    logo = (tmp_path / "templates" / "logo.png").read_bytes()
    for copy in (tmp_path / "mail" / "masthead.png", tmp_path / "site" / "2024-05" / "masthead.png"):
        assert copy.read_bytes() == logo
    page = (tmp_path / "site" / "2024-05" / "index.html").read_text()
    assert '<img src="../masthead.png" alt="Quay News" width="536" height="119">' in page


def test_a_mastheads_picture_that_is_not_there_leaves_its_words(tmp_path: Path) -> None:
    home = with_logo(tmp_path)
    (tmp_path / "templates" / "logo.png").unlink()
    mail = flow.render(home, "2024-05")[-1].html
    assert re.search(r"<h1 [^>]*>Quay News</h1>", mail)
    assert "BRD01" in {finding.code for finding in flow.check(home, "2024-05").findings}


def with_logo(folder: Path) -> Publication:
    """A publication with a picture in its masthead and one public issue."""
    (folder / "templates").mkdir()
    PillowImage.new("RGB", (900, 200), "#1d3557").save(folder / "templates" / "logo.png")
    (folder / "bulletin.toml").write_text(
        'name = "Quay News"\n[organisation]\nname = "Quay"\npostal_address = "1 Quay, Exampleton"\n'
        '[sender]\nname = "Quay News"\naddress = "news@example.org"\n'
        '[web]\narchive_url = "https://news.example.org/"\n[brand]\nlogo = "templates/logo.png"\n'
    )
    (folder / "issues" / "2024-05").mkdir(parents=True)
    (folder / "issues" / "2024-05" / "issue.yaml").write_text(
        "schema: 1\nid: 2024-05\ntitle: Quay News, May 2024\ndate: 2024-05-30\npublic: true\n"
        "sections:\n  - id: news\n    items:\n      - id: boats\n        title: Boats are back\n"
    )
    return open_publication(folder, {"BULLETIN_SECRET": "a secret that only these tests use, long enough"})


def test_a_right_to_left_mail_mirrors_its_cards() -> None:
    edition = dataclasses.replace(every_layout(may()), language="ur")
    mail = render(edition, CONFIG, template_dirs=PUBLICATION.template_dirs, secret=b"a key that only these tests use.")
    (cell, *_) = lxml_html.document_fromstring(mail.html).xpath(
        "//td[contains(@class, 'picture')][.//img[@width='198']]"
    )
    assert (cell.get("align"), "padding:4px 32px 12px 0" in cell.get("style")) == ("right", True)
