"""Models by name: a folder or a hub id, through transformers, without pickle and without remote code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradiend_core.errors import ModelError


def _checked(model: str) -> str:
    """The name, unless it is meant as a folder and is none."""
    looks_local = model.startswith((".", "/", "~", "\\")) or model.count("/") > 1
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"model folder {model!r} has no config.json; give a folder that save_pretrained wrote")
        return str(folder)
    if looks_local or folder.exists():
        raise ModelError(f"model folder {model!r} does not exist; give a folder with config.json, a hub id or a named model")
    return model


def architecture(model: str) -> str:
    """The class name that the model's config states, for example "BertForMaskedLM"; "" if it states none."""
    return (getattr(config_of(model), "architectures", None) or [""])[0]


def config_of(model: str) -> Any:
    """The model's transformers configuration, by name or folder. Raises ModelError where there is none."""
    from transformers import AutoConfig

    name = _checked(model)
    try:
        return AutoConfig.from_pretrained(name)
    except Exception as error:
        raise ModelError(_reason(model, error)) from error


def load_model(model: str, auto_class: Any, dtype: str, device: str) -> tuple[Any, Any]:
    """The model in evaluation mode and its tokenizer, by `auto_class.from_pretrained` from safetensors.

    `dtype` and `device` are those of `records.run.GradientSettings`.
    """
    import torch
    from transformers import AutoTokenizer

    name = _checked(model)
    if device == "auto":
        device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    try:
        place = None if device == "sharded" else torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"gradients.device is {device!r}; use auto, cpu, cuda, cuda:1 or sharded") from error
    options = {"dtype": dtype, "use_safetensors": True} | ({"device_map": "auto"} if device == "sharded" else {})
    try:
        with without_progress_bars():
            loaded, found = auto_class.from_pretrained(name, output_loading_info=True, **options)
        _expect_all_weights(model, loaded.eval(), found)
        if place is not None:
            loaded = loaded.to(place)
        return loaded, AutoTokenizer.from_pretrained(name)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(_reason(model, error)) from error


def _expect_all_weights(model: str, loaded: Any, found: Mapping[str, Any]) -> None:
    """transformers draws weights that a checkpoint lacks, or has in another shape, and goes on. Gradients of such a model mean
    nothing, and are others each time."""
    drawn = sorted([*found["missing_keys"], *(str(each[0]) for each in found["mismatched_keys"])])
    if drawn:
        raise ModelError(
            f"model {model!r} has no weights for {len(drawn)} parameters of {type(loaded).__name__}, such as {drawn[0]}, or has "
            "them in another shape; give a checkpoint of the whole model, its head included"
        )
    for name, parameter in loaded.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise ModelError(f"model {model!r} has weights that are not finite, in {name}; give another checkpoint")


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """transformers draws no bars while this is open; they are for big downloads, not for a folder read in a moment."""
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
    return f"model {model!r} cannot be loaded: {first}"
