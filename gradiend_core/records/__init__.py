"""The records that the stages pass on: frozen attrs classes."""
