"""How far apart places are on a ring, by the codes of their pictures."""

import numpy as np
import pytest

from benchmarks.slot_code import Codes, nearest_errors_cm


def test_the_error_of_a_place_goes_the_short_way_round() -> None:
    known = Codes(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.1, 3.0]))
    asked = Codes(np.array([[0.1, 0.0], [0.9, 0.2], [-1.0, 0.0]]), np.array([0.15, 2.7, 4.95]))
    # 5 cm on, 30 cm back, and from 4.95 m on a track of 5 m to 0.1 m: 15 cm.
    assert nearest_errors_cm(known, asked, 5.0) == pytest.approx([5, 30, 15])
