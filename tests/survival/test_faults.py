"""Signals, full disks, rights, damage and a second process cost a session nothing."""

import os
from pathlib import Path

import pytest

from tests.survival.faults import BAR_S, BARS, CASES, Case, disk_full, outlive
from tests.survival.killing import assert_unharmed
from tests.survival.recording import Recording


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if case.quick else [pytest.mark.slow])
        for case in CASES
    ],
)
def test_a_session_outlives_what_befalls_its_process(
    plain: Recording, case: Case, tmp_path: Path
) -> None:
    if case.befall is disk_full and os.geteuid() != 0:
        pytest.skip("a small disk: only root can mount one")
    assert_unharmed(outlive(case, plain.part(480, BARS, BAR_S), tmp_path))
