"""Episodes in folders: the layout of LeRobotDataset v3.0, written and read."""
