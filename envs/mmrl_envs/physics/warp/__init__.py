"""MuJoCo Warp: the worlds of a scene on a GPU, or on its CPU device where there is none."""
