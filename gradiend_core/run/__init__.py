"""One run: its stages, the runner, the record of a run and its folder, and the Session."""
