"""PyBullet as a physics engine: worlds made from the compiled MuJoCo model. Loaded only when it is asked for."""
