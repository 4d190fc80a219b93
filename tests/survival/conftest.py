"""A recording, made once for all tests that need one."""

import pytest

from tests.survival.recording import Recording, make_recording


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two simulated markets with a bundle, before anything is traded of them."""
    return make_recording(tmp_path_factory.mktemp("recording"))
