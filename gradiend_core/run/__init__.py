"""One run: its stages in order, the runner, the record of a run and its folder, and the Session."""
