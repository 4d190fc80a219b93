"""The windows of a walk-forward, as the page of its run tells of them, in JSON's own types."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.jobs.reporting.opinions import Opinions
from engine.jobs.reporting.predictors import ranked
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.result import RunResult
from engine.statistics.clustered import Rows

if TYPE_CHECKING:
    from engine.jobs.walking.quality import Answers

Facts = dict[str, Any]


def windows(
    answers: "Sequence[Answers]",
    judged: Opinions,
    analyzer: WindowAnalyzers,
    results: Sequence[RunResult],
) -> Facts:
    """Return each window's scores, trades and drift, and the features that drifted most.

    Parameters
    ----------
    judged : rows that the run asked about, with an opinion and an outcome
    """
    from engine.jobs.walking.quality import drift_table  # other runs start without trainings
    from engine.jobs.walking.window_facts import window_facts

    drift = drift_table(answers)
    of_window = {each["window"]: each for each in drift["windows"]}
    each_window = [
        {
            **facts,
            "roc_auc": _area(judged.take(judged.bundle == place)),
            "drift": of_window.get(facts["window"]),
        }
        for place, facts in enumerate(window_facts(answers, analyzer, results))
    ]
    return {
        "each": each_window,
        "reading": drift["reading"],
        "worst_features": drift["worst_features"],
    }


def _area(judged: Opinions) -> Facts:
    rows = Rows.of(judged.came, judged.decided_at, judged.weight)
    area: Facts = ranked(rows, judged.probability)["roc_auc"]
    return area
