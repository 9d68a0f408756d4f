"""Past issues become public pages."""

from __future__ import annotations

from pathlib import Path

from bulletin.flow._common import now
from bulletin.markings import refuse_before_embargo
from bulletin.model import Issue
from bulletin.publication import Publication


def build_archive(home: Publication, directory: Path) -> tuple[Path, tuple[Issue, ...]]:
    """Build the public pages of all public issues into a folder; the folder and the issues in it.

    The finished files are searched for anything restricted before one of them is written (S-23).
    """
    from bulletin import gate
    from bulletin.archive import site

    issues = [home.read_issue(name).issue for name in home.issue_ids()]
    public = [issue for issue in issues if issue.public]
    for issue in public:
        open_items = (item for item in issue.items if not item.restricted)
        refuse_before_embargo(open_items, now(), home.config.zone, what=f"issue {issue.id} cannot be published")
    pictures = {issue.id: home.pictures(issue) for issue in public}
    outputs = site.build(
        public,
        home.config,
        pictures=pictures,
        picture_bytes=home.picture_bytes,
        template_dirs=home.template_dirs,
        logo=home.logo_bytes(),
    )
    gate.check_public(outputs, issues, home.config)
    site.write(outputs, directory)
    return directory, tuple(public)
