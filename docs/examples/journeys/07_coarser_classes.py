"""One feature for number: first and third person together, and what each transition encodes to:
python 07_coarser_classes.py"""

import gradiend_core as gd

run = gd.Session(
    "english-pronouns",
    classes=["1SG+3SG", "1PL+3PL"],
    paradigm={"transitions": [["1SG", "1PL"], ["3SG", "3PL"]]},
)
gd.save_run(run, "number")
print(*run.reports["encoder"].lines, sep="\n")
for row in run.reports["encoder"].tables["transitions"].records():
    print(f"{row['transition']:20} {row['mean']:+.3f} (n = {row['n']})")
