"""Where a result comes from."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from attrs import field, frozen

PACKAGES = ("gradiend-core", "torch", "transformers", "tokenizers", "datasets")


def versions() -> dict[str, str]:
    """The installed versions that numbers depend on."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = "not installed"
    return installed


@frozen
class Provenance:
    """Fingerprints of model, data and scope, the seed, the plugins used, the versions, and the precision of
    the matrix products in gradients."""

    model: str
    model_fingerprint: str
    data_fingerprint: str
    scope_fingerprint: str
    seed: int
    plugins: tuple[str, ...]
    versions: dict[str, str] = field(factory=versions)
    precision: str = "float32"

    def other_versions(self) -> list[str]:
        """A sentence for each package that is installed here in another version."""
        here = versions()
        return [
            f"made with {name} {version}, here is {here.get(name, 'none')}"
            for name, version in self.versions.items()
            if here.get(name) != version
        ]
