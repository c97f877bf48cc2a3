"""Our speed and memory beside the reference package's, as ratios of one run, and that both do the same.

`python tests/benchmarks/against_reference.py PYTHON [curve] [steps] [job] [grid]`, where PYTHON is that of an
environment with `gradiend==0.2.3`. The model is a BERT of base size with random weights (for `curve` a small
one) and the embedded model's tokenizer; the rows are the embedded text's. Both sides get the same folder and
rows, each runs in a process of its own, with its defaults of threads. Some 25 minutes on two cores, most of
them the reference's.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from gradiend_core import Session
from gradiend_core.learning.encoder_decoder import EncoderDecoder, Rates, Trainer
from gradiend_core.records.gradient_role import GradientRole

HERE = Path(__file__).parent
RATE = 1e-3
DATA = {"max_per_class": 200, "max_neutral": 54, "split": [0.8, 0.065, 0.135]}
#: of the decoder grid; none breaks the model, so that each side measures all
RATES = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3]
SMALL = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 384}


def session(folder: Path, **tables: object) -> Session:
    return Session("english-pronouns", model=str(folder / "model"), data=DATA, **tables)  # type: ignore[arg-type]


def prepare(folder: Path, *, small: bool) -> Path:
    """A folder with a model and rows for both sides."""
    tokenizer = AutoTokenizer.from_pretrained(Session("english-pronouns").model_folder, model_max_length=512)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer), **SMALL) if small else BertConfig(vocab_size=30522)
    BertForMaskedLM(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    run = session(folder)
    rows = [
        {
            "masked": f"{pair.left}[MASK]{pair.right}",
            "label": pair.factual,
            "label_class": pair.factual_class,
            "alternative": pair.alternative,
            "alternative_class": pair.alternative_class,
            "split": pair.split,
        }
        for pair in run.data.pairs
    ]
    content = {
        "classes": list(run.data.classes),
        "rows": rows,
        "neutral": list(run.data.neutral_texts),
        "rates": RATES,
    }
    (folder / "rows.json").write_text(json.dumps(content))
    return folder


def result(command: list[str]) -> dict:
    """What a process prints after RESULT."""
    found = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in found.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(
            f"{' '.join(command)} gave no result:\n{found.stdout[-2000:]}\n{found.stderr[-2000:]}"
        )
    return json.loads(lines[-1].removeprefix("RESULT "))


def curve(folder: Path, python: str) -> None:
    """The reference's batches and first weights through our steps; and its gradients in terms of our rows."""
    theirs = result([python, str(HERE / "reference.py"), str(folder), "curve", "4", "20"])["losses"]
    state = torch.load(folder / "initial.pt", weights_only=True)
    run = session(folder)
    n = run.gradients.scope.size
    vectors = [value.flatten() for value in state.values()]
    model = EncoderDecoder(vectors[0].view(1, n), vectors[1], vectors[2].view(1, n), vectors[3])
    trainer, worst = Trainer.of(model, 0.01, eps=1e-8 * n), 0.0
    for step, loss in enumerate(theirs):
        source, target = (
            torch.load(folder / f"{side}-{step}.pt", weights_only=True).flatten()
            for side in ("source", "target")
        )
        ours = trainer.step(step + 1, Rates(RATE, RATE, RATE), source, target, (1.0, 1.0)) * float(
            target.square().mean()
        )
        worst = max(worst, abs(ours - loss) / loss)
    print(
        f"curve: {len(theirs)} steps from the same weights and batches, n = {n:,}: losses differ by"
        f" {worst:.1e} at most"
    )
    block = torch.cat(
        [found[0] for _, found in run.gradients.rows(run.examples["train"], [GradientRole.ALTERNATIVE])]
    ).double()
    first = torch.load(folder / "source-0.pt", weights_only=True).flatten().double()
    shares = torch.linalg.lstsq(block.T, first[:, None]).solution[:, 0]
    left = float((first - shares @ block).norm() / first.norm())
    print(
        f"  its first batch is {[round(float(x), 4) for x in shares.sort().values[-5:]]} of our rows, rest"
        f" {left:.1e}"
    )


def ours(folder: Path, what: str, batch: int, steps: int) -> None:
    """Our side, in a process of its own."""
    start = time.perf_counter()
    learner = {"steps": steps, "batch_size": batch, "learning_rate": RATE, "neutral_every": 0}
    learner |= {"validate_every": 0, "calibrate": False} if what == "steps" else {}
    stamps: list[float] = []
    evaluation = {"kinds": ["encoder", "decoder"], "encoder": {"splits": ["test"]}}
    tables: dict[str, object] = {"rewrite": {"toward": ["3SG"]}}
    if what == "grid":  # each text masked once, as there; every class on every class's texts
        evaluation = {"kinds": ["decoder"], "decoder": {"learning_rates": RATES}}
        tables |= {"source": {"min_masked": 1}, "policy": {"kind": "prediction-index"}}
    run = session(folder, learner=learner, evaluators=evaluation, gradients={"memory_gib": 0.25}, **tables)
    run.plugins.register(type("Clock", (), {"gradiend_step_finished": staticmethod(stamp(stamps))}), "clock")
    assert run.feature
    found: dict[str, float] = {"train_seconds": time.perf_counter() - start}
    if len(stamps) > 2:
        found["seconds_a_step"] = (stamps[-1] - stamps[1]) / (len(stamps) - 2)
    if what == "grid":
        assert run.reports["decoder"]
        found["grid_seconds"] = run.timing["evaluator_decoder"]
        assert len(run.reports["decoder"].tables["candidates"].rows) == 1 + len(RATES)
    if what == "job":
        assert run.reports
        found |= {f"{name}_seconds": run.timing[f"evaluator_{name}"] for name in ("encoder", "decoder")}
        found["stages"] = dict(run.timing)
        found["total_seconds"] = time.perf_counter() - start
    found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("RESULT " + json.dumps(found))


def stamp(stamps: list[float]):
    from gradiend_core.api import hookimpl

    @hookimpl
    def gradiend_step_finished(row):
        stamps.append(time.perf_counter())

    return gradiend_step_finished


def compare(folder: Path, python: str, what: str, batch: int, steps: int) -> None:
    mine = result([sys.executable, __file__, "ours", str(folder), what, str(batch), str(steps)])
    theirs = result(
        [
            python,
            str(HERE / "reference.py"),
            str(folder),
            "decoder" if what == "job" else what,
            str(batch),
            str(steps),
        ]
    )
    shutil.rmtree(folder / "reference", ignore_errors=True)
    for key in ("train_seconds", "seconds_a_step", "encoder_seconds", "decoder_seconds", "grid_seconds"):
        if mine.get(key) and theirs.get(key):
            print(
                f"  {key:16} ours {mine[key]:7.2f}   theirs {theirs[key]:7.2f}  "
                f" {theirs[key] / mine[key]:5.1f} times faster"
            )
    if what == "job":
        total = sum(theirs[key] for key in ("train_seconds", "encoder_seconds", "decoder_seconds"))
        print(
            f"  {'whole job':16} ours {mine['total_seconds']:7.2f}   theirs {total:7.2f}  "
            f" {total / mine['total_seconds']:5.1f} x"
        )
    print(
        f"  {'peak memory':16} ours {mine['peak_gib']:7.2f}   theirs {theirs['peak_gib']:7.2f}   "
        f"{mine['peak_gib'] / theirs['peak_gib']:.2f} of it (GiB)"
    )


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        ours(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        raise SystemExit
    python, *wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        if not wanted or "curve" in wanted:
            curve(prepare(Path(place) / "small", small=True), python)
        if not wanted or {"steps", "job", "grid"} & set(wanted):
            base = prepare(Path(place) / "large", small=False)  # the reference fails on a folder named "base"
        if not wanted or "steps" in wanted:
            for size in (4, 16):
                print(f"training, batch {size}")
                compare(base, python, "steps", size, 5)
        if not wanted or "grid" in wanted:
            for name, where in (("small", prepare(Path(place) / "grid", small=True)), ("large", base)):
                print(
                    f"decoder evaluation of {len(RATES)} learning rates, the same model, texts and masked"
                    f" share: {name}"
                )
                compare(where, python, "grid", 4, 4)
        if not wanted or "job" in wanted:
            print(
                "the whole job: 20 steps of batch 4, 54 test pairs with neutrals, decoder grid toward one"
                " class"
            )
            compare(base, python, "job", 4, 20)
