"""Past issues become public pages."""

from __future__ import annotations

from pathlib import Path

from bulletin.flow._common import now, translated
from bulletin.markings import refuse_before_embargo
from bulletin.model import Issue
from bulletin.publication import Publication


def build_archive(home: Publication, directory: Path) -> tuple[Path, tuple[Issue, ...]]:
    """Build the public pages of all public issues into a folder; the folder and the issues in it.

    The finished files are searched for anything restricted before one of them is written (S-23).
    """
    from bulletin import gate
    from bulletin.archive import site

    files = [home.read_issue(name) for name in home.issue_ids()]
    issues = [file.issue for file in files]
    public = [issue for issue in issues if issue.public]
    for issue in public:
        open_items = (item for item in issue.items if not item.restricted)
        refuse_before_embargo(open_items, now(), home.config.zone, what=f"issue {issue.id} cannot be published")
    spoken = {file.issue.id: home.translations(file) for file in files if file.issue.public}
    translations = {
        name: {language: said.translation for language, said in found.items() if said} for name, found in spoken.items()
    }
    pictures = {issue.id: home.pictures(issue) for issue in public}
    outputs = site.build(
        public,
        home.config,
        pictures=pictures,
        picture_bytes=home.picture_bytes,
        template_dirs=home.template_dirs,
        logo=home.logo_bytes(),
        translations=translations,
    )
    in_other_words = [said.issue for file in files for said in translated(home, file)]
    gate.check_public(outputs, [*issues, *in_other_words], home.config)
    site.write(outputs, directory)
    return directory, tuple(public)
