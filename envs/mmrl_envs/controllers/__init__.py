"""Controllers: how actions drive a robot."""
