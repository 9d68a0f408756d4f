"""The issue file, `issues/2024-05/issue.yaml`: the single truth about an issue.

`read` turns its text into an `Issue` with the place of every value; the edit functions change its text and leave every
byte alone that they need not touch: the editor's comments, order, quoting and wording.
"""

from bulletin.issuefile._edit import add_candidates, add_item, place_candidate, skip_candidate
from bulletin.issuefile._read import IssueFile, Vocabulary, read

__all__ = ["IssueFile", "Vocabulary", "add_candidates", "add_item", "place_candidate", "read", "skip_candidate"]
