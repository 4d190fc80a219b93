"""A page tells paths from the working folder, and of what lies elsewhere the name alone."""

from pathlib import Path

from engine.jobs.reporting.places import told_from

WORKING = Path("/home/someone/tandem")


def test_what_lies_below_is_told_from_there() -> None:
    assert told_from(WORKING, "/home/someone/tandem/bars/BTC.csv") == "bars/BTC.csv"


def test_of_what_lies_elsewhere_the_name_is_left() -> None:
    assert told_from(WORKING, "/home/someone/tandem-2/BTC.csv") == "BTC.csv"
    assert told_from(WORKING, "/secret/my_strategy.py:Mine") == "my_strategy.py:Mine"


def test_every_path_in_what_was_asked_is_told() -> None:
    asked = {
        "bars": {"kind": "files", "paths": ["/a/BTC.csv", "/home/someone/tandem/ETH.csv"]},
        "model": {"path": "/b/bundle", "version": "v1"},
        "in_sample": False,
        "start": None,
        "where": "https://example.test/a",
        "cash": 1e4,
    }
    assert told_from(WORKING, asked) == {
        **asked,
        "bars": {"kind": "files", "paths": ["BTC.csv", "ETH.csv"]},
        "model": {"path": "bundle", "version": "v1"},
    }
