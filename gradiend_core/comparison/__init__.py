"""Many features: which share weights, which point the same way."""
