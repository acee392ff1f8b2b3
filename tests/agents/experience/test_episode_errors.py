import numpy as np
import pytest

from mmrl_agents.experience.episode_errors import EpisodeErrors


def test_means_by_hand_across_rollouts() -> None:
    """World 0 ends at step 1, world 1 twice at steps 0 and 2; in the next rollout both end at the last step."""
    errors = EpisodeErrors(2)
    first = np.array([[1.0, 10.0], [3.0, 20.0], [5.0, 40.0]])
    # (1 + 3) / 2; 10; (20 + 40) / 2
    assert errors.means(first, [(0, 1), (1, 0), (2, 1)]) == [10.0, 2.0, 30.0]
    second = np.array([[7.0, 1.0], [6.0, 2.0], [2.0, 3.0]])
    # the 5 that was left over: (5 + 7 + 6 + 2) / 4; world 1 began anew: (1 + 2 + 3) / 3
    assert errors.means(second, [(2, 0), (2, 1)]) == [5.0, 2.0]


def test_a_saved_mean_goes_on() -> None:
    errors, other = EpisodeErrors(1), EpisodeErrors(1)
    errors.means(np.array([[4.0]]), [])
    other.load_state_dict(errors.state_dict())
    assert other.means(np.array([[2.0]]), [(0, 0)]) == [pytest.approx(3.0)]
