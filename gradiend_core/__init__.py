"""gradiend-core: feature directions of language models, learned from gradients (arXiv 2502.01406,
2602.23993).

import gradiend_core as gd
run = gd.Session("english-pronouns", model="tiny-mlm")
run.reports["encoder"]["test.correlation"]
run.rewrite(toward="3SG").save_pretrained("more-singular")
"""

from gradiend_core.api import lazy_names

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
