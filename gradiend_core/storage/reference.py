"""Features saved by the reference package `gradiend` (0.2.3): config.json, model.safetensors,
gradiend_context.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gradiend_core.errors import StorageError
from gradiend_core.records.feature import LearnedFeature
from gradiend_core.records.gradient_role import GradientRole
from gradiend_core.records.scope import ParameterScope, ParameterSlice
from gradiend_core.storage.files import MALFORMED, inside, read_json
from gradiend_core.storage.hub import local_folder

ROLES = {
    "factual": GradientRole.FACTUAL,
    "alternative": GradientRole.ALTERNATIVE,
    "diff": GradientRole.DIFFERENCE,
}
#: what a feature here can be; there, other choices are possible
NEEDED = {"latent_dim": 1, "activation_encoder": "tanh", "activation_decoder": "id", "bias_decoder": True}


def import_reference_feature(folder: str | Path) -> LearnedFeature:
    """The feature, pruned or not, over the same weights; from a folder, or from the hub, as in
    "hub:aieng-lab/gradiend-multilingual-bert-features/FOLDER".

    There, the code +1 of an encoder that reads alternative gradients is that of pairs whose *alternative* is
    the first class; here the factual class counts, so such a feature is turned, which leaves what each class
    decodes to as it was. One that was saved there without evaluation has no orientation yet, and may be the
    wrong way round. Raises StorageError for what is not there, is a pickle, or has no counterpart here."""
    folder = local_folder(folder)
    try:
        config, context = read_json(folder / "config.json"), read_json(folder / "gradiend_context.json")
        if not (folder / "model.safetensors").exists():
            raise StorageError(
                f"{folder} has no model.safetensors; a feature that is a pickle is not read, save it as"
                " safetensors"
            )
        for name, needed in NEEDED.items():
            if config["architecture"][name] != needed:
                raise StorageError(
                    f"the feature in {folder} has {name} {config['architecture'][name]!r}; only {needed!r}"
                    " can be read"
                )
        if "input_index_map_file" in config["mapping"]:
            raise StorageError(
                f"the feature in {folder} has an input index map, which cannot be read; save it without"
            )
        slices, order = _scope(folder, config["mapping"])
        tensors = load_file(folder / "model.safetensors")
        vectors = {
            "encoder": tensors["encoder.0.linear.weight"].flatten(),
            "decoder": tensors["decoder.0.linear.weight"].flatten(),
            "decoder_bias": tensors["decoder.0.linear.bias"],
        }
        directions = sorted(context["feature_class_encoding_direction"].items(), key=lambda item: -item[1])
        (first, plus), (second, minus) = ((str(name), int(code)) for name, code in directions)
        source, target = (ROLES[context[name]] for name in ("source", "target"))
        bias = float(tensors["encoder.0.linear.bias"])
    except OSError as error:
        raise StorageError(
            f"{folder} holds no feature of the reference package: {error.strerror} ({error.filename})"
        ) from error
    except MALFORMED as error:
        raise StorageError(
            f"{folder} holds no valid feature of the reference package: {type(error).__name__} {error}"
        ) from error
    scope = ParameterScope(slices)
    if (plus, minus) != (1, -1) or any(vector.shape != (scope.size,) for vector in vectors.values()):
        raise StorageError(
            f"the feature in {folder} does not fit its own mapping of {scope.size} weights, or has no two"
            " classes"
        )
    whole = {name: vector.float()[order].contiguous() for name, vector in vectors.items()}
    if not all(bool(torch.isfinite(vector).all()) for vector in whole.values()):
        raise StorageError(f"the feature in {folder} has values that are not finite")
    feature = LearnedFeature(
        whole["encoder"],
        bias,
        whole["decoder"],
        whole["decoder_bias"],
        scope,
        (first, second),
        source,
        target,
    )
    return feature.flipped() if source is GradientRole.ALTERNATIVE else feature


def _scope(folder: Path, mapping: dict[str, Any]) -> tuple[tuple[ParameterSlice, ...], Tensor]:
    """The parameters in their order, and the position of each entry of the scope in a saved vector, where
    indices need not ascend."""
    named = {kind: mapping[f"{kind}_file"] for kind in ("indices", "masks") if f"{kind}_file" in mapping}
    files = {kind: load_file(inside(folder, name)) for kind, name in named.items()}
    slices, order, start = [], [], 0
    for entry in mapping["param_map"]:
        name, shape, kind = str(entry["name"]), tuple(map(int, entry["shape"])), entry["repr"]
        if kind == "all":
            parameter_slice = ParameterSlice(name, shape)
            order_there = torch.arange(parameter_slice.size)
        else:
            entries = files["indices" if kind == "indices" else "masks"][entry["key"]]
            entries = entries.long() if kind == "indices" else entries.flatten().nonzero().flatten()
            index, order_there = entries.sort()
            parameter_slice = ParameterSlice(name, shape, index)
        if parameter_slice.size:
            slices.append(parameter_slice)
            order.append(order_there + start)
        start += parameter_slice.size
    return tuple(slices), torch.cat(order)
