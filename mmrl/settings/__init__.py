"""Settings: by name, as frozen dataclasses, which of them have an effect, and what installed packages offer."""
