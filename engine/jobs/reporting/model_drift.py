"""How far the decisive bars of a run lie from what its bundle calls usual, in JSON's own types.

The measure and the limits are those by which a live session is watched
(`engine.jobs.live.drift_watch`): on every stretch of rows, not only on the latest.
"""

from typing import Any

import numpy as np

from engine.jobs.live.drift_watch import MOST_FEATURES, PROBABLE
from engine.jobs.live.watched import why_unwatched
from engine.jobs.reporting.opinions import Opinions
from engine.jobs.settings import Settings
from feeds.moments import iso
from ml.analyzer import Analyzer
from ml.drift import LARGE, STRETCH, stretch_ends
from ml.references import References, Usual

Facts = dict[str, Any]


def drift(opinions: Opinions, analyzer: Analyzer, settings: Settings) -> Facts:
    """Return the drift of features and probabilities, or why it cannot be told.

    Parameters
    ----------
    opinions : all of the run, with features
    """
    references = analyzer.bundle.manifest.references
    why = why_unwatched(analyzer, settings)
    if why is not None or references is None:
        return {"unknown": why}
    answered = opinions.take(np.isfinite(opinions.probability))
    if len(answered) < STRETCH:
        return {
            "unknown": f"drift is measured on stretches of {STRETCH} answers, the run has "
            f"{len(answered)}"
        }
    return _measured(answered, references)


def _measured(answered: Opinions, references: References) -> Facts:
    features = _feature_drift(answered, references)
    ends = answered.decided_at[stretch_ends(len(answered))]
    drifted = np.array([each["above"] > LARGE for each in features.values()])
    return {
        "stretch": STRETCH,
        "large": LARGE,
        "ends": [iso(end) for end in ends],
        "features": [
            {
                "name": name,
                "usual": each["usual"],
                "largest": float(each["index"].max()),
                "at": iso(ends[each["index"].argmax()]),
                "drifted": int((each["above"] > LARGE).sum()),
            }
            for name, each in features.items()
        ],
        "drifted": drifted.sum(axis=0).tolist(),
        "most_features": MOST_FEATURES * len(features),
        "probability": _of_probability(answered, references),
    }


def _feature_drift(answered: Opinions, references: References) -> dict[str, dict[str, Any]]:
    found = {}
    columns = np.ascontiguousarray(np.asarray(answered.features, np.float64).T)
    for (name, usual), column in zip(references.features.items(), columns, strict=True):
        index = usual.reference.stretch_indices(column)
        found[name] = {"usual": usual.largest, "index": index, "above": index - usual.largest}
    return found


def _of_probability(answered: Opinions, references: References) -> Facts | None:
    held_out = references.held_out
    if held_out is None:
        return None
    usual: Usual = held_out.probability
    index = usual.reference.stretch_indices(answered.probability)
    return {
        "usual": usual.largest,
        "limit": PROBABLE * usual.largest + LARGE,
        "index": index.tolist(),
    }
