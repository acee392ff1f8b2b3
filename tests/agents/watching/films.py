"""Films read back, for tests of what was recorded."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def frames_of(path: Path) -> NDArray[np.uint8]:
    """All frames of a film, (frames, height, width, 3)."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
