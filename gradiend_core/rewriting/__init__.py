"""From a feature to a changed model: applying and undoing edits, searching for the best, and saving the
model."""
