"""What a command can be given: settings, their readers, and what has no effect."""
