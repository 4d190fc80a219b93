"""What is said of an ensemble in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.report_html.words import fraction, from_to, number

Facts = Mapping[str, Any]


def between(interval: Facts, digits: int = 3) -> str:
    r"""Return a figure with its interval.

    >>> between({"value": 0.6, "low": 0.55, "high": 0.65}, 2)
    '0.60 (0.55\xa0to\xa00.65)'
    """
    value = number(interval["value"], digits)
    if interval["low"] is None:
        return value
    return f"{value} ({from_to(number(interval['low'], digits), number(interval['high'], digits))})"


def share(interval: Facts) -> str:
    """Return a share in percent with its interval."""
    value = fraction(interval["value"], 1)
    if interval["low"] is None:
        return value
    return f"{value} ({from_to(fraction(interval['low'], 1), fraction(interval['high'], 1))})"


def asked_words(rows: Facts, asked: int, name: str) -> list[str]:
    """Return in sentences on which bars the run asked, and on which it is judged.

    A recorded market is asked ahead about every decisive bar; the run needed only the answers on
    those at which it held nothing. A session asks about these alone.

    Parameters
    ----------
    asked : the bars on which the run asked
    name : of the run
    """
    bars = f"{asked or 'no'} bar" if asked < 2 else f"{asked:,} bars"
    said = [f"{name} asked the ensemble on {bars}."]
    if rows["asked"] > asked:
        said.append(
            f"It is judged on more: on its answers on all {rows['asked']:,} decisive bars, where "
            "an opinion can decide an entry, whether or not a position was open."
        )
    return said


def skill(model: Facts) -> list[str]:
    """Return in sentences whether the ensemble ranks, and whether more than volatility does."""
    rows = model["rows"]
    if not rows["judged"]:
        return ["No answer can be judged yet."] if rows["asked"] else []
    ensemble, baseline = model["predictors"][0], model["predictors"][-1]
    weighted = model["about"]["weighted"]
    return [
        _ranking(rows, ensemble["roc_auc"]),
        *_over_volatility(baseline),
        _level(ensemble, weighted=weighted),
    ]


def _ranking(rows: Facts, area: Facts) -> str:
    head = f"On the {rows['judged']:,} judged bars of {rows['days']:,} days"
    if area["value"] is None:
        return f"{head} all came out alike, so that nothing can be ranked."
    said = (
        f"{head} the ensemble ranked what came true above what did not with an area under the ROC "
        f"curve (AUC) of {between(area)}, where chance gives 0.5:"
    )
    if area["low"] is None:
        return f"{said} too few days to say how sure that is."
    if area["low"] > 0.5:
        return f"{said} it tells the two apart better than chance."
    if area["high"] < 0.5:
        return f"{said} it tells them apart the wrong way round."
    return f"{said} it is not shown to be better than chance."


def _over_volatility(baseline: Facts) -> list[str]:
    behind, alone = baseline["behind"], baseline["roc_auc"]
    if behind["value"] is None:
        return []
    head = (
        f"Recent volatility alone, which needs no learning, reaches {number(alone['value'], 3)}. "
        f"The ensemble's AUC less that is {between(behind)}"
    )
    if behind["low"] is None:
        return [f"{head}."]
    if behind["low"] > 0.0:
        return [f"{head}: it knows more than how wild the market is."]
    if behind["high"] < 0.0:
        return [f"{head}: it knows less than how wild the market is."]
    return [f"{head}: it is not shown to know more than how wild the market is."]


def _level(ensemble: Facts, *, weighted: bool) -> str:
    said, came = ensemble["said"], ensemble["came"]
    by_weight = " by weight" if weighted else ""
    sentence = (
        f"Its probability was {fraction(said, 1)} on average; {share(came)} came true{by_weight}"
    )
    if came["low"] is None:
        return f"{sentence}."
    if came["low"] <= said <= came["high"]:
        return f"{sentence}, which agrees."
    return f"{sentence}: it was too {'high' if said > came['high'] else 'low'}."


def left_out(rows: Facts) -> list[str]:
    """Return what could not be judged and why, a line each."""
    said = [f"{count:,} bars got no answer: {why}" for why, count in rows["reasons"].items()]
    if rows["unsettled"]:
        said.append(
            f"{rows['unsettled']:,} answers cannot be judged: what came of them lies beyond the "
            "data, or their entry would not have been filled"
        )
    return [*said, *(f"{name} never answered: {why}" for name, why in rows["silent"].items())]


def best_alone(features: Sequence[Facts]) -> str:
    """Return in a sentence how well the best single feature ranks, either way round."""
    reach = {each["name"]: max(each["roc_auc"], 1.0 - each["roc_auc"]) for each in features}
    best = max(reach, key=reach.__getitem__)
    return (
        f"The feature that ranks best alone, {best}, reaches an AUC of {number(reach[best], 3)}; "
        f"it is the best of {len(features)}, picked with hindsight."
    )


def drift_words(drift: Facts) -> list[str]:
    """Return in sentences whether the run was another market than that of the training."""
    if drift.get("unknown"):
        return [f"Drift was not watched: {drift['unknown']}."]
    stretches, most = len(drift["drifted"]), drift["most_features"]
    over = sum(count > most for count in drift["drifted"])
    said = [
        f"The run has {stretches:,} stretches of {drift['stretch']} answers in a row, which "
        f"overlap. In {over:,} of them more than {most:.0f} of {len(drift['features'])} features "
        "had drifted: they lay further from the training than any stretch of the training itself. "
        "A paper session says DRIFT then."
    ]
    if (probability := drift["probability"]) is not None:
        beyond = sum(index > probability["limit"] for index in probability["index"])
        said.append(
            f"The probabilities were beyond a limit of their own in {beyond:,} of the stretches."
        )
    return said
