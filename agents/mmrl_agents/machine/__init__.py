"""The machine that a command runs on: processors, devices, number formats."""
