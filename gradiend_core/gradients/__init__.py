"""The gradient matrix: never formed, only multiplied."""
