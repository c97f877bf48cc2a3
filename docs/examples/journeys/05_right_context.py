"""A causal model whose evidence stands on the right of the slot: python 05_right_context.py

Two ways: a small head that sees the words after the slot, and scoring of the whole text (cloze)."""

import gradiend_core as gd

for source in ({"kind": "clm-head"}, {"kind": "clm-span", "cloze": True}):
    run = gd.Session(
        "english-pronouns",
        model="tiny-clm",
        classes=["3SG", "3PL"],
        source=source,
        evaluators=["encoder"],
        data={"max_per_class": 300},
    )
    print(source["kind"], *(run.source_report.lines if run.source_report else ()), sep="\n  ")
    print(*run.reports["encoder"].lines, sep="\n")
