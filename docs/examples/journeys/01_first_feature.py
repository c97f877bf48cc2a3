"""A first feature from some dozen sentences and two lists of words: python 01_first_feature.py [OUTPUT]"""

import sys

import gradiend_core as gd

SINGULAR = ["Anna", "Tom", "Clara", "The dog", "The king", "Peter", "Mary", "The horse", "Lily", "The boat"]
PLURAL = [
    "The farmers",
    "The dogs",
    "Two boats",
    "The girls",
    "Some chefs",
    "The cats",
    "Two sailors",
    "The boys",
]
MOODS = ["tired", "hungry", "late", "happy", "early", "lost"]

sentences = [f"{name} rested because he was {mood}." for name in SINGULAR for mood in MOODS]
sentences += [f"{name} rested because they were {mood}." for name in PLURAL for mood in MOODS]
sentences += [
    f"The {thing} was {colour}." for thing in ("lamp", "door", "cup") for colour in ("red", "green", "old")
]

run = gd.Session(
    "words",
    paradigm={"words": {"one": ["he"], "many": ["they"]}, "related": {"one": ["was"], "many": ["were"]}},
    texts=sentences,
)
folder = gd.save_run(run, sys.argv[1] if len(sys.argv) > 1 else "first-feature")
for title, findings in run.findings.items():
    print(title, *findings, sep="\n  ")
print("test correlation", run.reports["encoder"]["test.correlation"], "- see", folder / "figures")
