"""The reference package's side of `against_reference.py`; runs in an environment that has `gradiend`, and
prints JSON.

`python reference.py FOLDER curve|steps|encoder|decoder|grid BATCH STEPS`, where FOLDER has model/ and
rows.json.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from gradiend import TextPredictionConfig, TextPredictionTrainer, TrainingArguments

folder, what, batch, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data = json.loads((folder / "rows.json").read_text())
classes = data["classes"]
stamps: list[float] = []
losses: list[float] = []
sources: list[torch.Tensor] = []


plain_loss = torch.nn.MSELoss.forward


def watched_loss(self: torch.nn.MSELoss, found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The loss, with what it was given and when."""
    loss = plain_loss(self, found, target)
    stamps.append(time.perf_counter())
    losses.append(float(loss))
    if what == "curve":
        torch.save(target.detach(), folder / f"target-{len(losses) - 1}.pt")
    return loss


torch.nn.MSELoss.forward = watched_loss
arguments = TrainingArguments(
    experiment_dir=str(folder / "reference"),
    train_batch_size=batch,
    max_steps=steps,
    num_train_epochs=1000,
    max_seeds=1,
    do_eval=False,
    eval_steps=10**6,
    learning_rate=1e-3,
    seed=0,
    use_cache=False,
    source="alternative",
    target="diff",
)
trainer = TextPredictionTrainer(
    model=str(folder / "model"),
    config=TextPredictionConfig(
        data=pd.DataFrame(data["rows"]),
        target_classes=classes,
        eval_neutral_data=pd.DataFrame({"text": data["neutral"]}),
    ),
    args=arguments,
)
if what == "curve":
    from gradiend.model.model import GradiendModel

    forward = GradiendModel.forward

    def watched(self, source, *args, **kwargs):
        if not sources:
            state = {name: value.detach().clone() for name, value in self.named_parameters()}
            torch.save(state, folder / "initial.pt")
        sources.append(source.detach())
        torch.save(source.detach(), folder / f"source-{len(sources) - 1}.pt")
        return forward(self, source, *args, **kwargs)

    GradiendModel.forward = watched
start = time.perf_counter()
trainer.train()
trained = time.perf_counter()
result = {"train_seconds": trained - start, "losses": losses}
result["seconds_a_step"] = (stamps[-1] - stamps[1]) / (len(stamps) - 2) if len(stamps) > 2 else None
if what in ("encoder", "decoder"):
    found = trainer.evaluate_encoder()
    result |= {
        "encoder_seconds": time.perf_counter() - trained,
        "encoder": {k: v for k, v in found.items() if k in ("correlation", "n")},
    }
if what == "grid":
    started = time.perf_counter()
    found = trainer.evaluate_decoder(
        target_class=classes[0], lrs=data["rates"], max_size=10**6, use_cache=False
    )
    result["grid_seconds"] = time.perf_counter() - started
if what == "decoder":
    evaluated = time.perf_counter()
    trainer.evaluate_decoder(target_class=classes[0])
    result["decoder_seconds"] = time.perf_counter() - evaluated
result["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print("RESULT " + json.dumps(result, default=str))
