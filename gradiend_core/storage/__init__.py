"""Files on disk: safetensors, JSON, CSV; written completely or not at all; never pickle."""
