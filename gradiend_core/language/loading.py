"""Models by name, from a folder or the hub, through transformers, without pickle and without remote code."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gradiend_core.errors import ModelError
from gradiend_core.language.gguf import architecture_of, config_in, expect_package, gguf_file, made_plain
from gradiend_core.records.run import GradientSettings
from gradiend_core.storage.hub import expect_reachable

#: A hub id that could not be read is not asked for again within these seconds: every source asks, and without
#: a network an answer takes half a minute.
AGAIN = 2.0
_failed: dict[str, tuple[float, Exception]] = {}


def _checked(model: str) -> tuple[str, dict[str, str]]:
    """The name as transformers takes it, and the further arguments that a GGUF file needs. Raises ModelError
    for a path that does not exist."""
    if file := gguf_file(model):
        expect_package(model)
        return str(file.parent), {"gguf_file": file.name}
    looks_local = model.startswith((".", "/", "~", "\\")) or model.count("/") > 1
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"model folder {model!r} has no config.json; give a folder that save_pretrained wrote, or a"
                " GGUF file"
            )
        return str(folder), {}
    if looks_local or folder.exists():
        raise ModelError(
            f"model folder {model!r} does not exist; give a folder with config.json, a hub id or a named"
            " model"
        )
    return model, {}


def architecture(model: str) -> str:
    """The class that the model's config names, such as "BertForMaskedLM"; "" if it names none."""
    config = config_of(model)
    if gguf_file(model):
        return architecture_of(config)
    architectures = config.get("architectures")
    return str(architectures[0]) if isinstance(architectures, list) and architectures else ""


def config_of(model: str) -> dict[str, Any]:
    """The model's config.json, by name or folder; no code of the model is run. Raises ModelError where there
    is none."""
    from transformers import PretrainedConfig

    name, _ = _checked(model)
    asked, problem = _failed.get(name, (0.0, None))
    if problem and time.monotonic() - asked < AGAIN:
        raise ModelError(_reason(model, problem)) from problem
    try:
        file = gguf_file(model)
        if not file and not Path(name).is_dir():
            _expect_hub(name)
        config: dict[str, Any] = config_in(file) if file else PretrainedConfig.get_config_dict(name)[0]
    except Exception as error:
        if not Path(name).is_dir():
            _failed[name] = time.monotonic(), error
        raise ModelError(_reason(model, error)) from error
    if not isinstance(config.get("model_type"), str):
        raise ModelError(
            f"model {model!r} has no model_type in its config.json; give a folder that save_pretrained wrote"
        )
    return config


def _expect_hub(name: str) -> None:
    """Raises OSError at once for a model that is not in the cache when the hub cannot be reached; the hub's
    library would try for half a minute."""
    from huggingface_hub import try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(name, "config.json"), str):
        try:
            expect_reachable()
        except OSError as error:
            raise OSError(f"it is in no local folder or cache, and {error}") from error


def load_model(model: str, auto_class: Any, settings: GradientSettings) -> tuple[Any, Any]:
    """The model in evaluation mode and its tokenizer, by `auto_class.from_pretrained` from safetensors; on
    the device "meta" without weights. Code that comes with a model runs only if the settings allow it."""
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from gradiend_core.gradients.quantised import loading_options, make_differentiable

    (name, file), device = _checked(model), settings.device
    trust: dict[str, Any] = {"trust_remote_code": settings.trust_remote_code, **file}
    if device == "auto":
        device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    try:
        torch_device = None if device == "sharded" else torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"gradients.device is {device!r}; use auto, cpu, cuda, cuda:1 or sharded") from error
    options = {"dtype": settings.dtype, "use_safetensors": True, **trust}
    options |= {"device_map": "auto"} if device == "sharded" else {}
    if settings.quantisation != "none" and device != "meta":
        options |= {"device_map": {"": torch_device}} if torch_device else {}
        options |= loading_options(settings.quantisation, settings.dtype)
    try:
        if device == "meta":
            config = AutoConfig.from_pretrained(name, **trust)
            dtype = (
                config.dtype or torch.float32 if settings.dtype == "auto" else getattr(torch, settings.dtype)
            )
            with torch.device("meta"):
                empty = auto_class.from_config(
                    config, dtype=dtype, trust_remote_code=settings.trust_remote_code
                ).eval()
            return empty, _matching(AutoTokenizer.from_pretrained(name, **trust), empty, model)
        with without_progress_bars():
            loaded, loading_info = auto_class.from_pretrained(name, output_loading_info=True, **options)
        if file:
            loaded = made_plain(loaded)
        _expect_all_weights(model, loaded.eval(), loading_info)
        _choose_experts(loaded)
        quantised = make_differentiable(loaded)
        if quantised and settings.quantisation == "none":
            raise ModelError(
                f"model {model!r} was saved quantised, so edits cannot be written into its weights; give the"
                " model that it was made of, and gradients.quantisation=4bit to have that in 4 bits"
            )
        if settings.quantisation != "none" and not quantised:
            raise ModelError(
                f"model {model!r} has no layer that could be quantised; use gradients.quantisation=none"
            )
        if torch_device is not None and not quantised:
            loaded = loaded.to(torch_device)
        return loaded, _matching(AutoTokenizer.from_pretrained(name, **trust), loaded, model)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(_reason(model, error)) from error


def _expect_all_weights(model: str, loaded: Any, loading_info: Mapping[str, Any]) -> None:
    """Raises ModelError for a checkpoint that lacks weights or has them in another shape. transformers would
    draw such weights at random, so that gradients would mean nothing and differ each time."""
    drawn = sorted(
        [*loading_info["missing_keys"], *(str(mismatch[0]) for mismatch in loading_info["mismatched_keys"])]
    )
    if drawn:
        raise ModelError(
            f"model {model!r} has no weights for {len(drawn)} parameters of {type(loaded).__name__}, such as"
            f" {drawn[0]}, or has them in another shape; give a checkpoint of the whole model, its head"
            " included"
        )
    for name, parameter in loaded.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise ModelError(
                f"model {model!r} has weights that are not finite, in {name}; give another checkpoint"
            )


def untrained_copy(model: Any, seed: int) -> Any:
    """A model of the same shape with random weights, drawn with a seed as its class initialises them (the
    parameter-randomisation test of arXiv 1810.03292). Raises ModelError for a model that cannot be built from
    its config."""
    import torch

    first = next(model.parameters())
    if getattr(model, "config", None) is None or not first.dtype.is_floating_point:
        raise ModelError(f"{type(model).__name__} cannot be built from a config")
    if {parameter.device for parameter in model.parameters()} != {first.device}:
        raise ModelError("a model on several devices cannot be built again")
    devices = [first.device] if first.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        try:
            copied = type(model)(copy.deepcopy(model.config))
        except Exception as error:  # the code of any model
            raise ModelError(f"{type(model).__name__} cannot be built again: {error}") from error
    return copied.to(first.device, first.dtype).eval()


def vocabulary_size(model: Any) -> int:
    """The number of tokens that the model has embeddings for; a number beyond any vocabulary where it does
    not say."""
    try:
        embeddings = model.get_input_embeddings()
    except (NotImplementedError, AttributeError):
        embeddings = None
    size = getattr(embeddings, "num_embeddings", None) or getattr(model.config, "vocab_size", None)
    return int(size) if size else sys.maxsize


def _matching(tokenizer: Any, loaded: Any, model: str) -> Any:
    """The tokenizer. Raises ModelError if it has tokens without an embedding in the model."""
    size = vocabulary_size(loaded)
    used = [*tokenizer("", verbose=False)["input_ids"], tokenizer.mask_token_id or 0]
    largest = max(tokenizer.vocab_size - 1, *used)
    if largest >= size:
        raise ModelError(
            f"the tokenizer of {model!r} has tokens up to number {largest:,}, and the model has embeddings"
            f" for {size:,}; give the model with the tokenizer that it was trained with"
        )
    return tokenizer


def _choose_experts(loaded: Any) -> None:
    """Makes a mixture of experts compute its experts one by one, as their grouped product has no forward-mode
    derivative."""
    if hasattr(loaded, "set_experts_implementation"):
        with suppress(ValueError):  # a model without experts
            loaded.set_experts_implementation("eager")


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Inside this context transformers draws no progress bars: they are for large downloads, not for a folder
    that is read at once."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _reason(model: str, error: Exception) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "trust_remote_code" in str(error):
        first = (
            "it brings code of its own; set gradients.trust_remote_code=true to run it, if you trust who"
            " made it"
        )
    return f"model {model!r} cannot be loaded: {first}"
