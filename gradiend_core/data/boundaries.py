"""Whether a word stands alone in real text: not in a contraction, a compound, an address or mark-up. Words
end where Unicode says (UAX 29, https://unicode.org/reports/tr29/) and not next to a character that joins
them. Doubtful cases get a reason, are dropped and are counted."""

from __future__ import annotations

import regex

CONTRACTION = "the target word is part of a contraction"
COMPOUND = "the target word is part of a compound, an address or mark-up"
#: what people type for an apostrophe
APOSTROPHES = "'’‘ʼ´`＇′‛"
#: signs that join what stands on both sides of them
JOINING = r"/\\@#&=+%$^~|_*<>{}§\u200d"
LETTER = r"[\p{L}\p{N}]"
BOUNDARY = regex.compile(r"(?w)\b")
#: an apostrophe and the end of a contraction; treebanks write it apart ("he 's"), and web pages as "&#39;"
SHORT_FORM = regex.compile(rf"\s?(?:[{APOSTROPHES}]|&[#\w]+;)\s?\p{{L}}{{1,2}}(?!\p{{L}})")
SHORTENED = regex.compile(rf"\p{{L}}[{APOSTROPHES}]\Z")
#: hyphens, points and brackets join only where a letter is on their other side: they.com, he-man, s(he)
JOINED_BEFORE = regex.compile(rf"(?:[{JOINING})\];]|{LETTER}[-‐‑–.:(]|\w\s*/\s*)\Z")
JOINED_AFTER = regex.compile(rf"[{JOINING}(\[]|[-‐‑–.:)]{LETTER}|\s*/\s*\w")
#: how far before a word the patterns look
REACH = 8


def word_pattern(words: str) -> str:
    """A pattern for words with no letter next to them. It also matches inside compounds, because a text with
    such a compound is not neutral."""
    letter = r"(?!ʼ)[\p{L}\p{N}\p{M}]"
    return rf"(?<!{letter}){words}(?!{letter})"


def not_alone(text: str, start: int, end: int) -> str:
    """Why `text[start:end]` is not a word by itself; empty if it is one."""
    reach = max(0, start - REACH)
    if SHORT_FORM.match(text, end) or SHORTENED.search(text, reach, start):
        return CONTRACTION
    inside = any(
        regex.match(r"\w", text[at]) and not BOUNDARY.match(text, edge)
        for at, edge in ((start, start), (end - 1, end))
    )
    if inside or JOINED_BEFORE.search(text, reach, start) or JOINED_AFTER.match(text, end):
        return COMPOUND
    return ""
