"""The promises of its roles, kept."""

from gradiend_core.testing import contract

TestShapes = contract("shapes")
TestImages = contract(
    "image-label", paradigm={"kind": "shapes"}, selector={"kind": "pattern", "include": ["*"]}
)
