"""Artefacts on disk: safetensors, JSON, CSV; whole or not at all; never pickle."""
