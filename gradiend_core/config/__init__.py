"""The run file: unknown keys are errors, and the written file has every default."""
