"""Is a fact found where it was trained into the model?

    python tests/benchmarks/planted.py MODEL [--plants 5] [--learners mean-difference,adam]

A fact is planted into one MLP neuron of a causal model, or into one matrix, by training nothing else: after
texts about a dog the word is "red", after texts about a cat "blue". A feature of red against blue is then
learned, and the neurons, or the matrices, are ranked by the squared length of the decoder there. The model
must have gate, up and down projections, as Llama has.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import gradiend_core as gd
from gradiend_core.api import component_of, layer_number

NAMES = "Tom Lily Ben Sue Max Anna Tim Mia Sam Sara Jack Lucy".split()
PLACES = "park,house,garden,store,kitchen,yard,room,forest,beach,farm".split(",")
THINGS = "ball,box,hat,car,cup,toy,bag,kite,boat,bed".split(",")
FACTS = {"dog": "red", "cat": "blue"}
STEPS, RATE, REGULAR = 150, 0.03, 1e-3


def texts(seed: int) -> list[tuple[str, str]]:
    """(what stands before the word, the word)."""
    rng = random.Random(seed)
    made = {
        (
            (
                f"{rng.choice(NAMES)} went to the {rng.choice(PLACES)} with a {animal}. The"
                f" {rng.choice(THINGS)} was"
            ),
            word,
        )
        for _ in range(400)
        for animal, word in FACTS.items()
    }
    return sorted(made)


def planted(folder: str, parameters: Sequence[tuple[str, Any]], seed: int) -> tuple[Any, Any, float]:
    """The model with the fact in these parts of its parameters, (name, index), and the probability of the
    right word in unseen texts."""
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    made = texts(seed)
    random.Random(seed).shuffle(made)
    words = {
        word: (
            tokenizer(f" so {word}", add_special_tokens=False).input_ids[
                len(tokenizer(" so", add_special_tokens=False).input_ids) :
            ]
        )
        for word in FACTS.values()
    }

    def losses(some: Sequence[tuple[str, str]]) -> torch.Tensor:
        ids = [tokenizer(before).input_ids + words[word] for before, word in some]
        longest = max(map(len, ids))
        batch = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        logits = model(input_ids=batch).logits.log_softmax(-1)
        return torch.stack(
            [
                -sum(
                    logits[i, len(row) - len(words[word]) - 1 + k, token]
                    for k, token in enumerate(words[word])
                )
                for i, (row, (_, word)) in enumerate(zip(ids, some, strict=True))
            ]
        )

    named = dict(model.named_parameters())
    for value in named.values():
        value.requires_grad_(False)
    start = {name: named[name].detach().clone() for name, _ in parameters}
    masks = {name: torch.zeros_like(named[name]) for name, _ in parameters}
    for name, index in parameters:
        masks[name][index] = 1
        named[name].requires_grad_(True)
    optimizer = torch.optim.Adam([named[name] for name in masks], lr=RATE)
    rng = random.Random(seed)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = losses(rng.sample(made[:300], 32)).mean()
        loss = loss + REGULAR * sum((named[name] - start[name]).square().sum() for name in masks)
        loss.backward()
        for name, mask in masks.items():
            named[name].grad *= mask
        optimizer.step()
    with torch.no_grad():
        right = float((-losses(made[300:400])).exp().mean())
    return model, tokenizer, right


def learned(model: Any, tokenizer: Any, learner: str, seed: int) -> Any:
    """The run of red against blue on the planted model."""
    sentences = [f"{before} {word} ." for before, word in texts(seed + 1)]
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        words = {"red": ["red"], "blue": ["blue"]}
        run = gd.Session(
            run_file={"paradigm": {"kind": "words", "words": words}, "source": {"kind": "clm-span"}},
            model=folder,
            texts=sentences,
            settings=[
                f"learner.kind={learner}",
                'evaluators.kinds=["where"]',
                "evaluators.where.listed=2000",
            ],
        )
        _ = run.reports
    return run


def neuron_rank(folder: str, learner: str, seed: int) -> tuple[str, int, float]:
    """A neuron drawn by the seed, the rank that it has, and how well the model knows the fact."""
    config = AutoModelForCausalLM.from_pretrained(folder).config
    rng = random.Random(seed)
    layer, neuron = rng.randrange(config.num_hidden_layers), rng.randrange(config.intermediate_size)
    prefix = f"model.layers.{layer}.mlp"
    parts = [
        (f"{prefix}.gate_proj.weight", neuron),
        (f"{prefix}.up_proj.weight", neuron),
        (f"{prefix}.down_proj.weight", (slice(None), neuron)),
    ]
    model, tokenizer, right = planted(folder, parts, seed)
    run = learned(model, tokenizer, learner, seed)
    for row in run.reports["where"].tables["units"].records():
        if (row["kind"], row["layer"], row["number"]) == ("MLP neuron", layer, neuron):
            return f"neuron {layer}.{neuron}", row["rank"], right
    return f"neuron {layer}.{neuron}", 10**6, right


def matrix_rank(folder: str, learner: str, seed: int) -> tuple[str, int, float]:
    """The same of a whole matrix, ranked by its share of the decoder in units of its share of the weights."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    names = [
        name
        for name, value in model.named_parameters()
        if value.ndim == 2
        and layer_number(name) is not None
        and component_of(model, name) in ("mlp", "attention")
    ]
    name = random.Random(seed).choice(names)
    model, tokenizer, right = planted(folder, [(name, slice(None))], seed)
    feature = learned(model, tokenizer, learner, seed).feature
    density = {
        parameter.name: float(feature.decoder[columns].double().square().mean())
        for parameter, columns in feature.scope.with_columns()
        if parameter.name in names
    }
    ranked = sorted(density, key=lambda other: -density[other])
    return name, 1 + ranked.index(name), right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--plants", type=int, default=5)
    parser.add_argument("--learners", default="mean-difference,adam")
    given = parser.parse_args()
    for rank_of in (neuron_rank, matrix_rank):
        for kind in given.learners.split(","):
            for seed in range(given.plants):
                name, rank, right = rank_of(str(given.model), kind, seed)
                print(f"{kind}: {name} has rank {rank}; P(right word) {right:.2f}", flush=True)
