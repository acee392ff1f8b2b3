"""Episodes as data: recorded from policies and scripts, played again, read by other programs."""
