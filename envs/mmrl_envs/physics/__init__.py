"""N parallel copies of a scene: stepping, control and rendering."""
