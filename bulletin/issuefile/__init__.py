"""The issue file, `issues/2024-05/issue.yaml`: the single truth about an issue.

`read` turns its text into an `Issue` with the place of every value; `edit` changes its text and leaves every byte alone
that it need not touch: the editor's comments, order, quoting and wording.
"""

from bulletin.issuefile._read import IssueFile, Vocabulary, read
from bulletin.issuefile._translation import TranslationFile, read_translation

__all__ = ["IssueFile", "TranslationFile", "Vocabulary", "read", "read_translation"]
