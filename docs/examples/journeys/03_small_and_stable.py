"""A feature from a published masked data set, a thousand times smaller than the model, with five seeds:
python 03_small_and_stable.py [FILE.parquet]"""

import subprocess
import sys

import gradiend_core as gd

if len(sys.argv) > 1:
    file = sys.argv[1]
else:  # one is made here, with the columns text, factual, factual_class, …
    command = "gradiend data english-pronouns --classes 3SG,3PL --set data.max_per_class=300 --table parquet"
    subprocess.run([*command.split(), "--output", "masked", "--overwrite"], check=True)
    file = "masked/pairs.parquet"

run = gd.Session(
    "masked",
    texts=file,
    classes=["3SG", "3PL"],
    paradigm={"factual": "factual", "factual_class": "factual_class", "alternative": "alternative"},
    data={"split_column": "split", "split_by": "given"},
    # before learning, the weights with the largest gradients; after it, the largest of these
    selector={"kind": "top-gradient", "share": 0.05},
    learner="adam",
    prune={"keep": 0.02},
    seeds={"at_most": 5, "convergent": 5},
    evaluators=["encoder", "stability"],
)
gd.save_run(run, "small-and-stable")
weights = sum(parameter.numel() for parameter in run.loaded.model.parameters())
print(f"{run.feature.scope.size:,} of {weights:,} weights, converged: {run.converged}")
print(*run.reports["encoder"].lines, *run.reports["stability"].lines, *run.warnings, sep="\n")
