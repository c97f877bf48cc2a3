"""Text and transformers: slots, spans, fillers, running text, and models by name."""
