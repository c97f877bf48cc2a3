"""Plugins: their discovery, their strict registration, and their contributions."""
