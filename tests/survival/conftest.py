"""Recordings, made once for all tests that need one."""

import pytest

from tests.survival.recording import Recording, with_ml, without_ml


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two simulated markets that are traded without ML."""
    return without_ml(tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="session")
def recording(plain: Recording, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same with a bundle that has seen what comes before anything is traded of them."""
    return with_ml(plain, tmp_path_factory.mktemp("bundle"))
