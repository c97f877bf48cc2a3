"""Every two of three classes, compared: which weights they share, and what each reads of the others' texts:
python 10_all_pairs.py"""

import gradiend_core as gd

paradigm = {"kind": "english-pronouns", "classes": ["1SG", "3SG", "3PL"]}
suite = gd.read_suite(
    {
        "data": {"max_per_class": 150},
        "comparison": {"nulls": 1},  # beside each run one with shuffled classes
        "members": [{"pairs": "all", "paradigm": paradigm}],
    }
)
result = gd.run_suite(suite, "pairs", tell=print)
print(*result.report.lines, sep="\n")
for row in result.report.tables["crossing"].records():
    if row["feature"] != row["texts_of"] and abs(row["oriented"]) > 0.5:
        print(f"{row['feature']} reads {row['texts_of']} by {row['oriented']:+.2f}")
