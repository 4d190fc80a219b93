"""As text: the trades at other fees, and what flatters the results."""

from collections.abc import Mapping, Sequence
from textwrap import fill

from engine.labels import FIGURES
from engine.result import RunResult
from engine.tables import WIDTH, formatted, rendered, run_name, run_titles, stamp_lines, table

_OF_STEPS = ("expectancy", "win_rate", "profit_factor", "pnl")


def sweep_text(results: Sequence[RunResult]) -> str:
    """Return a table of the trades at several fees, and where each run breaks even."""
    shown = table("Same trades", "Fee a side", *(FIGURES[name] for name in _OF_STEPS))
    titles = run_titles(results)
    for result in results:
        for step in result.sweep.steps:
            shown.add_row(
                titles[result.label],
                f"{step.fee:.3%}",
                formatted(step.expectancy, ".3%"),
                formatted(step.win_rate, ".2%"),
                formatted(step.profit_factor, ".2f"),
                f"{step.pnl:,.2f}",
            )
    lines = [_break_even(result, titles[result.label]) for result in results]
    return "\n".join([stamp_lines(results) + rendered(shown), *lines])


def _break_even(result: RunResult, name: str) -> str:
    """Return in a sentence at which costs nothing would be left."""
    sweep = result.sweep
    if sweep.before_fees is None:
        return f"{name} made no trade: no fee to break even at"
    costs = (
        f"loses even without any cost, {sweep.before_costs:.3%} a trade"
        if sweep.break_even_cost is None
        else f"breaks even at costs of {sweep.break_even_cost:.3%} a round trip"
    )
    if sweep.break_even_fee is None:
        return f"{name} loses even without fees, {sweep.before_fees:.3%} a trade; it {costs}"
    return f"{name} breaks even at a fee of {sweep.break_even_fee:.3%} a side; it {costs}"


def flattery_text(results: Sequence[RunResult]) -> str:
    """Return what flatters the results; a sentence that holds for one run only names it."""
    return flattery_list({result.label: result.flattery for result in results})


def flattery_list(said: Mapping[str, Sequence[str]]) -> str:
    """Return the sentences, by the label of the run that they are about, as a list."""
    lines = ["What flatters these results:"]
    for sentence in dict.fromkeys(each for sentences in said.values() for each in sentences):
        whose = [run_name(label) for label, sentences in said.items() if sentence in sentences]
        only = "" if len(whose) == len(said) else f"{', '.join(whose)}: "
        lines.append(fill(f"- {only}{sentence}", WIDTH, subsequent_indent="  "))
    return "\n".join(lines)
