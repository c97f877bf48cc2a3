"""One Protocol for each kind of plugin. Hooks declare implementations; ordinary objects work."""
