"""Everything that a plugin imports. Its names stand in `api.pyi`; each is loaded when it is first asked
for."""

from gradiend_core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
