"""Words of our own, or pictures, where AWS, Terraform, OCI, Git or Python has a word: people never read them."""

from __future__ import annotations

import re

INSTEAD = {
    r"climb(?:s|ed|ing|er)?": "promotion, promote",
    r"mend(?:s|ed|ing)?": "fix",
    r"weigh(?:s|ed|ing)?": "route traffic, split traffic",
    r"tak(?:e|es|en|ing) (?:it )?up(?! to)": "resume, import",
    r"took up": "resumed, imported",
    r"put (?:back )?in order": "recover",
    r"made anew|make anew|makes anew": "recreate",
    r"look (?:now|at|into|who|up|again)|looks? for|looked (?:at|for|up)": "check, read, poll, see",
    r"tell(?:s|ing)?|told": "say, print, report",
    r"the word of|gives? its word": "decision",
    r"nobody expected": "unexpected",
}
"""What is not to be read, as a pattern, and the words to take."""

PRIVATE = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)
