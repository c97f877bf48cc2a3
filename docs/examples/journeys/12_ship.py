"""A changed model for others: as a checkpoint, as an adapter, and as the edit alone: python 12_ship.py"""

from pathlib import Path

import gradiend_core as gd

folder = gd.save_run(gd.Session("english-pronouns", classes=["3SG", "3PL"]), "to-ship")
run = gd.load_run(folder)
for goal, edit in run.edits().items():
    for name in ("probability", "perplexity"):
        before, after = getattr(edit.before, name), getattr(edit.after, name)
        print(f"toward {goal}: {name} {before.shown()} → {after.shown()}")
for form in ("full", "lora", "sparse"):
    print(*gd.export(run, "3PL", f"shipped/{form}", form), sep="\n")
print(Path("shipped/full/README.md").read_text(encoding="utf-8"))
