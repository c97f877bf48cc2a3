"""English pronouns that cannot be identified as subjects in text without tags. *he, she, we, they* are
subjects by their form. *it* and *you* may be objects, *it* may refer to nothing ("it is late"), *I* may be a
numeral or a letter, *IT* an abbreviation, and "he or she" names both classes."""

from __future__ import annotations

import regex

from gradiend_core.api import Text, in_capitals, starts_sentence

#: how many characters around a word are looked at
REACH = 80


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def one_of(text: str) -> str:
    """A pattern for any of some words."""
    return f"(?:{'|'.join(text.split())})"


#: words that a clause begins with, before its subject
OPENING = words(
    "and but so then when while if because that whether although though unless until where why how what which"
    " who whatever whenever wherever however maybe perhaps now today tomorrow yesterday once yes no oh well"
    " or nor as than here there finally suddenly luckily sometimes usually often later soon still also"
    " actually first next tonight only even night day morning evening afternoon noon time"
)
#: verbs that a clause without "that" may follow: "I think it is"
THINKING = words(
    "think thinks thought hope hopes hoped know knew known suppose supposed guess wish wished say says said"
    " believe believed sure feel felt told sees saw see heard hear found afraid glad sorry certain"
)
#: verbs that ask: "was it", "do you"
ASKING = words(
    "is was isn't wasn't are were aren't weren't can could will would should shall may might must does"
    " doesn't can't couldn't won't wouldn't shouldn't"
)
ASKING_YOU = ASKING | words("do did don't didn't have haven't")
#: verbs of which a pronoun before them is the subject
FINITE = ASKING_YOU | words(
    "am has had cannot hasn't hadn't seems seemed became becomes went goes came comes gets got looks looked"
    " began begins took takes made makes never always"
)
PREPOSITIONS = words(
    "about above across after against along among around at before behind below beneath beside between beyond"
    " by down during except for from in inside into near of off on onto out outside over past through to"
    " toward towards under up upon with within without like since"
)
#: prepositions that a clause may follow, too: "After it rained"
CONJUNCTIONS = words("after before since")
#: what is counted: "Chapter I", "type I"
NUMBERED = words(
    "type phase class grade stage level category part act book volume vol chapter section figure fig table"
    " appendix war title division group schedule step article scene unit factor model form page number no"
)

PRONOUN = one_of("he she it they I we you")
OR_BEFORE, OR_AFTER = regex.compile(rf"(?i)\b{PRONOUN}\s+or\s+\Z"), regex.compile(rf"(?i)\s+or\s+{PRONOUN}\b")
WORD_BEFORE = regex.compile(r"([\p{L}'’]+)\s+\Z")
WORD_AFTER = regex.compile(r"\s+([\p{L}'’]+)")

_SMALL = (
    "not never now also just about nearly almost quite very too only all a an the so getting still no in"
    " already"
    r" always often one another been has had will would can could may might must shall should \p{L}+ly"
)
_SAID_LATER = "that to for who whom whether if when how why since until you he she they I we"
_STATES = (
    r"\d+ one two three four five six seven eight nine ten eleven twelve past after half morning evening"
    r" night"
    " noon midnight day time late early dark light cold hot warm spring summer autumn winter raining snowing"
    " true"
    " nothing easy hard good better best wrong right vain use wonder pity shame possible impossible clear"
    " strange"
    r" like as christmas going ok okay \p{L}+day"
)
_EMPTY_VERBS = (
    r"rain\w* snow\w* happen\w* seem\w* appear\w* matter\w* follow\w* turn\w*\s+out look\w*\s+(?:as|like)"
    r" took takes"
    r" ma[dk]es?\s+(?:me|you|him|her|us|them)"
)
_PREDICATE = rf"(?:[^.,;!?]*\b{one_of(_SAID_LATER)}\b|(?:\s+{one_of(_SMALL)})*\s+{one_of(_STATES)}\b)"
#: "it is late", "it seems that", "it was hard to say"; and, where the verb stands before it, "is it true"
EXPLETIVE = regex.compile(
    rf"(?i)(?:\s+{one_of(_SMALL)})*\s+"
    rf"(?:{one_of(_EMPTY_VERBS)}\b|{one_of('is was be isn.t wasn.t')}\b{_PREDICATE})"
)
ASKED_EXPLETIVE = regex.compile(rf"(?i){_PREDICATE}")


def doubt(text: Text, start: int, end: int) -> str:
    """Why a pronoun may not be a subject; empty where there is no doubt, or where tags decide."""
    if text.tokens is not None:
        return ""
    left, right = text.text[max(0, start - REACH) : start], text.text[end : end + REACH]
    word = text.text[start:end]
    if OR_BEFORE.search(left) or OR_AFTER.match(right):
        return "two pronouns are named, as in 'he or she'"
    if word == "IT" and not in_capitals(left, right):
        return "'IT' may be an abbreviation"
    if word.upper() == "I":
        return "" if _is_person(left, right) else "'I' may be a numeral or a letter"
    if word.lower() == "it" and _is_expletive(left, right):
        return "'it' may stand for nothing, as in 'it is late'"
    if word.lower() in ("it", "you") and not _is_subject(word.lower(), left, right):
        return f"{word.lower()!r} may be an object, which only tags tell"
    return ""


def _is_person(left: str, right: str) -> bool:
    """Whether *I* stands before a verb, and not after a noun that it would count."""
    after, before, shouted = WORD_AFTER.match(right), WORD_BEFORE.search(left), in_capitals(left, right)
    if not after or (after[1][:1].isupper() and not shouted):
        return False
    if before is None or shouted:
        return True
    word = before[1].lower()
    if before[1][:1].isupper() and not before[1].isupper():  # "Henry I was", "World War I was"
        opening = OPENING | ASKING_YOU | PREPOSITIONS
        return word in opening and starts_sentence(left[: before.start()])
    return word not in NUMBERED


def _is_expletive(left: str, right: str) -> bool:
    before = WORD_BEFORE.search(left)
    asked = before is not None and before[1].lower() in ASKING
    return (ASKED_EXPLETIVE if asked else EXPLETIVE).match(right) is not None


def _is_subject(word: str, left: str, right: str) -> bool:
    """Whether a clause begins with *it* or *you*, or its verb is next to it."""
    before, after = WORD_BEFORE.search(left), WORD_AFTER.match(right)
    if after is None:
        return False
    if before is None:  # the text begins, or a sign stands there
        return True
    last, following = (match[1].lower().replace("’", "'") for match in (before, after))
    if last in (ASKING if word == "it" else ASKING_YOU):
        return True
    if last in PREPOSITIONS:
        return last in CONJUNCTIONS and starts_sentence(left[: before.start()])
    return last in OPENING or (last in THINKING and following in FINITE)
