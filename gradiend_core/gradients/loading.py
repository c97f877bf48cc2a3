"""Models by name: a folder or a hub id, through transformers, without pickle and without remote code."""

from __future__ import annotations

from collections.abc import Iterator
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
            loaded = auto_class.from_pretrained(name, **options).eval()
        if place is not None:
            loaded = loaded.to(place)
        return loaded, AutoTokenizer.from_pretrained(name)
    except Exception as error:
        raise ModelError(_reason(model, error)) from error


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
