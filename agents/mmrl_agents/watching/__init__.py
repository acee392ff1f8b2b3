"""Films of a policy at work: what it senses, decides and looks at."""
