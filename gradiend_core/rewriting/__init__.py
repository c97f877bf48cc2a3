"""From a feature to a changed model: apply and undo, search, and the model as a folder."""
