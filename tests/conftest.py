"""Settings of the whole suite."""

import os

# Before numpy and torch load: the networks of the tests are too small to gain from threads, and
# with several test processes the threads of each would fight for the same cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# No deadline: the first example pays for lazy imports and compilation.
settings.register_profile("local", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
