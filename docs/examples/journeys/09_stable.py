"""Is it stable? Five seeds with texts, splits and learning drawn anew: python 09_stable.py"""

import gradiend_core as gd

number = {
    "name": "number",
    "seed": [0, 1, 2, 3, 4],
    "paradigm": {"kind": "english-pronouns", "classes": ["3SG", "3PL"]},
}
suite = gd.read_suite({"data": {"max_per_class": 200}, "members": [number]})
result = gd.run_suite(suite, "seeds", tell=print)
print(*result.report.lines, sep="\n")
for row in result.report.tables["spread"].records():
    print(f"{row['report']} {row['metric']:30} {row['mean']:.3f} ± {row['std']:.3f}")
