"""Every causal, masked and encoder-decoder model that transformers knows, as a tiny one with random weights:
are the products right, is it refused with a reason, or does it crash? Run by hand: `python -m
tests.families.every`.

`--write docs/pages/models-tried.md` writes the table; names limit it to some models.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers as hf
from transformers.models.auto import modeling_auto as auto

from gradiend_core import Session
from gradiend_core.errors import GradiendError
from gradiend_core.gradients.examples import subset
from gradiend_core.gradients.padding import seen_padding
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.testing.gradients import product_errors
from tests.families.build import albert_like, gpt2_like, llama_like, roberta_like, t5_like, word_pieces

#: seconds for a model, and models that are tried at once
LIMIT, AT_ONCE = 60, 2
WRONG, LARGEST = 1e-3, 5_000_000
KINDS = {
    "causal": (auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, (gpt2_like, llama_like, roberta_like)),
    "masked": (auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, (word_pieces, roberta_like, albert_like)),
    "encoder-decoder": (
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        (roberta_like, t5_like, albert_like),
    ),
}
#: small values by what the names of a configuration's settings contain, in this order
SMALL = (
    (("vocab_size",), None),
    (("num_key_value_heads", "num_kv_heads", "multi_query_group_num"), 1),
    (("qk_rope_head_dim", "qk_nope_head_dim", "index_head_dim"), 8),
    (("head_dim", "d_kv", "v_head_dim", "lora_rank", "rotary_dim", "attention_head_size"), 16),
    (("attention_heads", "num_heads", "n_head", "n_heads", "num_attention_heads"), 2),
    (
        ("moe_intermediate_size", "intermediate_size", "ffn_dim", "d_ff", "n_inner", "hidden_dim", "d_inner"),
        48,
    ),
    (("first_k_dense_replace",), 1),
    (("n_group", "topk_group"), 1),
    (("num_experts_per_tok", "moe_topk", "moe_top_k", "num_selected_experts", "num_experts_per_token"), 2),
    (("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    (("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"), 1),
    (("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers"), 4),
    (("num_decoder_layers", "num_encoder_layers"), 2),
    (
        (
            "hidden_size",
            "d_model",
            "n_embd",
            "dim",
            "emb_dim",
            "embedding_size",
            "lru_width",
            "word_embed_proj_dim",
        ),
        32,
    ),
    (("max_position_embeddings", "n_positions", "max_seq_len"), 136),
    (("sliding_window", "attention_window_size", "local_attention"), 16),
    (("mlp_only_layers", "layer_types", "mlp_layer_types", "attn_layer_indices"), "left out"),
    (("pretraining_tp",), 1),
    (("mamba_d_state", "mamba_d_head", "mamba_d_ssm", "state_size", "mamba_head_dim"), 16),
    (("mamba_n_heads", "mamba_num_heads", "mamba_n_groups"), 2),
)
LAYER_LISTS = ("layer_types", "mlp_layer_types")


def small_config(kind: type, tokenizer: Any, *, causal: bool) -> Any:
    """A tiny configuration: what it is called by default decides what is made small."""
    default = kind()
    values: dict[str, Any] = {}
    for names, value in SMALL:
        for name in names:
            if isinstance(value, int) and isinstance(getattr(default, name, None), int):
                values.setdefault(name, value)
    values |= {"vocab_size": len(tokenizer), "attn_layer_period": 2, "attn_layer_offset": 1}
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        values[name] = getattr(tokenizer, name) if getattr(tokenizer, name) is not None else 1
    if hasattr(default, "qk_rope_head_dim"):  # which other dimensions of heads follow from
        values.pop("head_dim", None)
    if causal and hasattr(default, "is_decoder"):
        values["is_decoder"] = True
    values = {name: value for name, value in values.items() if hasattr(default, name) or "token_id" in name}
    if getattr(default, "is_encoder_decoder", False):
        values["decoder_start_token_id"] = tokenizer.pad_token_id or 0
    return kind(**values)


def build(name: str, model_class: str, tokenizer: Any, folder: Path) -> None:
    kind = getattr(hf, model_class)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some initialise tensors without entries
        config = small_config(
            kind.config_class, tokenizer, causal=model_class.endswith(("ForCausalLM", "LMHeadModel"))
        )
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in kind(config).parameters())
        if count > LARGEST:
            raise ValueError(f"{name} cannot be made small: {count:,} weights")
        model = kind(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def outcome(name: str, model_class: str, tokenizer: Any) -> tuple[str, str]:
    """(what came of it, more of it)"""
    with TemporaryDirectory() as folder:
        try:
            build(name, model_class, tokenizer, Path(folder))
        except Exception as error:
            return "not built", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        try:
            run = Session(
                "english-pronouns",
                model=folder,
                data={"max_per_class": 40, "max_neutral": 20},
                learner={"kind": "mean-difference"},
                evaluators={"kinds": ["encoder"], "encoder": {"random_directions": 0}},
                selector={"kind": "backbone"},
            )
            examples = subset(run.examples["train"], range(6))
            errors = product_errors(run.gradients, examples, GradientRole.DIFFERENCE)
            _ = run.reports
        except GradiendError as error:
            return "refused", str(error)
        except Exception as error:
            return "crashed", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        worst = max(errors.values())
        whole, _ = run.gradients.differentiated_whole()
        notes = [f"{len(whole)} of {len(run.gradients.scope.slices)} parameters as a whole"] if whole else []
        notes += ["sees padding"] if seen_padding(run.loaded.model) else []
        return ("wrong", f"{worst:.2g}") if not worst < WRONG else ("right", "; ".join(notes))


def _tried(name: str, model_class: str, tokenizer: Any, pipe: Any) -> None:
    warnings.simplefilter("ignore")
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    torch.set_num_threads(1)
    pipe.send(outcome(name, model_class, tokenizer))


def tried(cases: list[tuple[str, str, Any]]) -> Iterator[tuple[int, tuple[str, str]]]:
    """The number of each case with its outcome, in the order in which they are done. Each has a process,
    which may die."""
    context, waiting, running = multiprocessing.get_context("fork"), list(enumerate(cases)), []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            number, case = waiting.pop(0)
            mine, other = context.Pipe(duplex=False)
            process = context.Process(target=_tried, args=(*case, other))
            process.start()
            other.close()
            running.append((number, process, mine))
        number, process, pipe = running.pop(0)
        try:
            result = pipe.recv() if pipe.poll(LIMIT) else ("crashed", f"not done after {LIMIT} seconds")
        except EOFError:
            process.join()
            result = ("crashed", f"the process died ({process.exitcode})")
        process.kill()
        yield number, result


def cases(names: list[str]) -> list[tuple[str, str, str, Any]]:
    """(kind, name, class, tokenizer), the classes of each kind once."""
    every = []
    for kind, (classes, tokenizers) in KINDS.items():
        for name, chosen in classes.items():
            model_class = chosen if isinstance(chosen, str) else chosen[0]
            fits = model_class.endswith(
                ("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration")
            )
            if (
                fits
                and (kind != "causal" or "Conditional" not in model_class)
                and hasattr(hf, model_class)
                and (not names or name in names)
            ):
                every += [(kind, name, model_class, make) for make in tokenizers]
    return every


def main(arguments: list[str]) -> None:
    hf.logging.set_verbosity_error()
    names = [argument for argument in arguments if not argument.startswith("--")]
    every = cases(names)
    made = [(name, model_class, make()) for _, name, model_class, make in every]
    results: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for number, result in tried(made):
        kind, name, model_class, _ = every[number]
        results.setdefault((kind, name, model_class), []).append(result)
        print(f"{kind} {name} {model_class}: {result[0]} {result[1]}"[:300], flush=True)
    print("\n| kind | model | outcome with three kinds of tokenizer | |\n|---|---|---|---|")
    for (kind, name, model_class), outcomes in results.items():
        said = ", ".join(dict.fromkeys(what for what, _ in outcomes))
        more = "; ".join(dict.fromkeys(more for _, more in outcomes if more))
        print(f"| {kind} | {model_class} ({name}) | {said} | {more[:200]} |")


if __name__ == "__main__":
    main(sys.argv[1:])
