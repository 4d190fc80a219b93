"""A reader finds the old file or the new one."""

from pathlib import Path

import pytest

from feeds.atomic import atomic_path, atomic_text


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.txt"
    with atomic_path(target) as draft:
        draft.write_text("half")
        assert not target.exists()
        assert draft.parent == target.parent
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as draft:
            draft.write_text("new, but onl")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_text_is_replaced_and_kept_in_utf8(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    atomic_text(target, "old")
    atomic_text(target, "neu: ₿")
    assert target.read_bytes() == "neu: ₿".encode()
