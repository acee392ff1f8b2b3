"""Settings: by name, as frozen dataclasses, and which of them have an effect."""
