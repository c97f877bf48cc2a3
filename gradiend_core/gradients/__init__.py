"""The gradient matrix, which is multiplied but never formed."""
