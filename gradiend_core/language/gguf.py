"""GGUF files, the format of llama.cpp and Ollama, as models for gradients. transformers reads their weights
and tokenizer; quantised weights become plain numbers, and from then on the model is like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from gradiend_core.errors import ModelError
from gradiend_core.records.update import WeightUpdate

SUFFIX = ".gguf"


def gguf_file(model: str) -> Path | None:
    """The GGUF file that a name stands for: the file itself, or the only one in a folder without a
    config.json. None for any other name. Raises ModelError for a folder with several GGUF files, and for a
    missing file."""
    path = Path(model).expanduser()
    if path.is_dir() and not (path / "config.json").is_file():
        files = sorted(path.glob(f"*{SUFFIX}"))
        if len(files) > 1:
            raise ModelError(
                f"model folder {model!r} has {len(files)} GGUF files; name one, such as {str(files[0])!r}"
            )
        return files[0] if files else None
    if path.suffix.lower() != SUFFIX or path.is_dir():
        return None
    if not path.is_file():
        raise ModelError(f"model file {model!r} does not exist")
    return path


def expect_package(model: str) -> None:
    """Raises ModelError where the package that reads such files is missing."""
    from importlib.util import find_spec

    for package in ("gguf", "accelerate"):
        if find_spec(package) is None:
            raise ModelError(
                f"model {model!r} is a GGUF file, and {package} is not installed; install"
                ' "gradiend-core[gguf]", or give a folder that save_pretrained wrote'
            )


def config_in(file: Path) -> dict[str, Any]:
    """A GGUF file's metadata as a config of transformers. As reading it takes seconds, because it contains
    the whole vocabulary, and every source asks for it, it is read only once."""
    return _config_in(file, file.stat().st_mtime_ns)


@cache
def _config_in(file: Path, changed: int) -> dict[str, Any]:
    from transformers import PretrainedConfig

    config: dict[str, Any] = PretrainedConfig.get_config_dict(str(file.parent), gguf_file=file.name)[0]
    return config


def architecture_of(config: dict[str, Any]) -> str:
    """The class of a GGUF file's model: the one for text generation with the config's model type, as the file
    does not name a class."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    kind = str(config.get("model_type", ""))
    names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind) or MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.get(
        kind, ""
    )
    return names if isinstance(names, str) else names[0]


def made_plain(model: Any) -> Any:
    """The model without the mark that it was quantised, which would keep transformers from saving it: its
    weights are plain numbers."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    config.architectures = [type(model).__name__]
    return model


def described(file: Path) -> str:
    """How the weights of a file are stored, such as "Q4_1 (211 tensors), F32 (61)"."""
    from gguf import GGUFReader

    counts = Counter(tensor.tensor_type.name for tensor in GGUFReader(file).tensors)
    return ", ".join(f"{name} ({count} tensors)" for name, count in counts.most_common())


def write_edited(file: Path, output: Path, base: Any, update: WeightUpdate) -> tuple[int, int]:
    """Writes a copy of the file with an update in its weights; `base` is the model that was read from it. The
    metadata and every tensor that the update does not change stay the same. A changed tensor becomes F16, or
    stays F32, because quantised numbers are too coarse for an edit. Returns how many tensors were changed,
    and of how many. Raises ModelError for a weight that the file has no tensor for, or whose layout in the
    file is unknown."""
    import gguf

    reader = gguf.GGUFReader(file)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    changed = _edited_tensors(reader, architecture, base, update)
    writer = gguf.GGUFWriter(output, architecture)
    for field in reader.fields.values():
        if field.name != gguf.Keys.General.ARCHITECTURE and not field.name.startswith("GGUF."):
            kind = field.types[0]
            of_entries = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=of_entries)
    for tensor in reader.tensors:
        if tensor.name in changed:
            writer.add_tensor(tensor.name, changed[tensor.name])
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return len(changed), len(reader.tensors)


def _edited_tensors(reader: Any, architecture: str, base: Any, update: WeightUpdate) -> dict[str, Any]:
    """The tensors of a file that an update changes, with their new values, by name."""
    import gguf
    import numpy as np

    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, base.config.num_hidden_layers)
    stored = {tensor.name: tensor for tensor in reader.tensors}
    parameters, result = dict(base.named_parameters()), dict[str, Any]()
    for parameter, columns in update.scope.with_columns():
        change = update.learning_rate * parameter.spread(update.direction[columns]).view(parameter.shape)
        if not bool(change.any()):
            continue
        name = names.get_name(parameter.name, try_suffixes=(".weight", ".bias"))
        if name is None or name not in stored:
            raise ModelError(f"the GGUF file has no tensor for {parameter.name}, so no edit can be written")
        tensor = stored[name]
        there = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        weights = parameters[parameter.name].detach().float().cpu()
        laid_out = _layout(parameter.name, weights.numpy(), there, base.config)
        precise = tensor.tensor_type == gguf.GGMLQuantizationType.F32
        edited = laid_out((weights + change.to(weights)).numpy())
        result[name] = np.ascontiguousarray(edited, dtype=np.float32 if precise else np.float16)
    return result


def _layout(name: str, weights: Any, there: Any, config: Any) -> Callable[[Any], Any]:
    """How a weight of transformers is laid out in the file: unchanged, without the 1 that some norms add,
    transposed, or with the rows of each attention head in llama's order. The layout is the one that
    reproduces the numbers that are `there`."""
    import numpy as np

    def by_head(heads: int) -> Callable[[Any], Any]:
        return lambda values: (
            values.reshape(heads, 2, len(values) // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)
        )

    layouts: list[Callable[[Any], Any]] = [lambda values: values, lambda values: values - 1]
    if weights.ndim == 2:
        layouts.append(lambda values: values.T)
    for heads in (getattr(config, "num_attention_heads", 0), getattr(config, "num_key_value_heads", 0)):
        if heads and len(weights) % (2 * heads) == 0:
            layouts.append(by_head(heads))
    for layout in layouts:
        values = layout(weights)
        if values.shape == there.shape and np.allclose(values, there, rtol=1e-5, atol=1e-7):
            return layout
    raise ModelError(
        f"{name} is not read from the GGUF file in a way that can be written back; write the edit with"
        " --format full, and convert it with llama.cpp"
    )
