"""Print the MJML of the May issue's edition for everyone, as the MJML engine gets it."""

from pathlib import Path

from bulletin.editions import make_edition
from bulletin.publication import open_publication
from bulletin.render import HTML_TEMPLATE, theme
from bulletin.render.personal import markers

home = open_publication(Path(__file__).parent, {"BULLETIN_SECRET": "a-secret-for-measuring-times-only"})
issue = home.read_issue("2024-05").issue
edition = make_edition(issue, home.config, home.pictures(issue))
values = theme.context(edition, home.config, markers(edition, home.secret()))
print(theme.run(home.template_dirs, HTML_TEMPLATE, values, escape=True))
