"""The run file: strict in, complete out."""
