"""Text and transformers: slots, spans, fillers, running text, and loading models by name."""
