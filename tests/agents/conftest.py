"""Settings of the tests of agents."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    """A training sets the number of torch's threads for its whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
