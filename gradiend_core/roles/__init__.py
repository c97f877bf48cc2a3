"""One Protocol for each kind of plugin. Hooks declare the implementations, which are ordinary objects."""
