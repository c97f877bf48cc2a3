"""Checks that plugin authors run on their own plugins: `TestMine = contract("mine")`."""

from gradiend_core.testing.kit import contract, outcomes

__all__ = ["contract", "outcomes"]
