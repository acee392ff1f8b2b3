"""Light, cameras of scenes, conditions of sight, the window on screen."""
