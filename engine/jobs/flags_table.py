"""Every flag of every command, read from the parsers themselves.

`python -m engine.jobs.flags_table` prints docs/commands.md. Run it where the scripts lie.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from engine.jobs.settings_meaning import FLAGS

# The module that hands out its parser, how the command is called, and a word for it as the head of
# a column; in the order of the work.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "generate_training_data": ("generate_training_data.py", "generate"),
    "train_ml_ensemble": ("train_ml_ensemble.py", "train"),
    "evaluate_ml_ensemble": ("evaluate_ml_ensemble.py", "evaluate"),
    "run_backtest": ("run_backtest.py", "backtest"),
    "run_paper": ("run_paper.py", "paper"),
    "show_run": ("show_run.py", "show"),
    "engine.jobs.doctor": ("python -m engine.jobs.doctor", "doctor"),
}

_HEAD = """\
# Commands and their flags

Every command with all its flags, as `--help` shows them. This page is written by
`python -m engine.jobs.flags_table > docs/commands.md` from the parsers; a test keeps it so. Where a
flag overrides a [setting](configuration.md), that is named: the file after `--config` can say the
same, and the flag wins.

Exit codes of all commands: 0 done, 1 an error in one line, 2 wrong usage, 130 stopped with Ctrl-C;
what else a command says by its code stands in its `--help`. `--help` goes without saying.

## Which command has which flag

| flag | {heads} |
|---|{lines}
{overview}
"""

_SECTION = """\
## `{called}`

{description}

```text
{usage}
```

| flag | value | setting | what it does |
|---|---|---|---|
{rows}"""

_GROUP = "| **{title}** | | | |\n"


class Entry(NamedTuple):
    """One flag, or one word without a flag, of one command.

    Attributes
    ----------
    names : as they are written, the long one last
    value : what it takes; empty for a switch
    key : of the setting that it overrides, or empty
    """

    group: str
    names: Sequence[str]
    value: str
    key: str
    meaning: str


def parser_of(module: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    made = import_module(module).make_parser()
    if not isinstance(made, argparse.ArgumentParser):
        raise TypeError(f"{module}.make_parser must return an ArgumentParser, found {type(made)}")
    made.prog, _ = COMMANDS[module]
    return made


def entries(module: str) -> Iterator[Entry]:
    """Yield the flags of a command in the order of its help."""
    parser = parser_of(module)
    keys = {flag.name: flag.path for flag in FLAGS if module in flag.scripts}
    # argparse has no public list of what was added to it.
    for group in parser._action_groups:
        for action in group._group_actions:
            if not isinstance(action, argparse._HelpAction):
                names = tuple(action.option_strings) or (_value(action),)
                key = next((keys[name] for name in names if name in keys), "")
                value = _value(action) if action.option_strings else ""
                yield Entry(_title(group), names, value, key, _meaning(action, parser.prog))


def as_markdown() -> str:
    """Return docs/commands.md."""
    heads = " | ".join(f"[{word}](#{_anchor(called)})" for called, word in COMMANDS.values())
    lines = ":-:|" * len(COMMANDS)
    head = _HEAD.format(heads=heads, lines=lines, overview="".join(_overview()))
    return head + "\n".join(map(_section, COMMANDS))


def _overview() -> Iterator[str]:
    """Yield a row for each flag by name, with a mark for each command that has it."""
    having: dict[str, set[str]] = {}
    for module in COMMANDS:
        for entry in entries(module):
            if entry.names[-1].startswith("-"):
                having.setdefault(entry.names[-1], set()).add(module)
    for flag, modules in sorted(having.items()):
        marks = " | ".join("x" if module in modules else " " for module in COMMANDS)
        yield f"| `{flag}` | {marks} |\n"


def _anchor(heading: str) -> str:
    """Return what a heading is linked by.

    >>> _anchor("run_backtest.py")
    'run_backtestpy'
    """
    kept = (c for c in heading.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def _section(module: str) -> str:
    parser = parser_of(module)
    rows, before = [], ""
    for entry in entries(module):
        if entry.group != before:
            rows.append(_GROUP.format(title=_cell(entry.group)))
            before = entry.group
        rows.append(_row(entry))
    return _SECTION.format(
        called=parser.prog,
        description=_cell(parser.description or ""),
        usage=parser.format_usage().rstrip().replace("usage: ", "").replace("\n       ", "\n"),
        rows="".join(rows),
    )


def _row(entry: Entry) -> str:
    names = ", ".join(f"`{name}`" for name in entry.names)
    cells = (names, _code(entry.value), _code(entry.key), _cell(entry.meaning))
    return f"| {' | '.join(cells)} |\n"


def _title(group: argparse._ArgumentGroup) -> str:
    """Return the title of a group of flags; argparse's own two are called alike."""
    return "" if group.title in ("positional arguments", "options") else str(group.title)


def _value(action: argparse.Action) -> str:
    """Return what a flag takes, as its help writes it."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        shown = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    elif action.choices is not None:
        shown = ", ".join(map(str, action.choices))
    else:
        shown = action.dest.upper()
    return f"{shown} …" if action.nargs in ("+", "*") else shown


def _meaning(action: argparse.Action, prog: str) -> str:
    """Return the help of a flag, with its default where the parser has one that it does not say."""
    text = (action.help or "") % {**vars(action), "prog": prog}
    told = action.default is None or action.default is False or action.default == []
    return text if told or "default" in text else f"{text}; default: {action.default}".lstrip("; ")


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    """Return the text as one cell of a table: on one line, and without its walls."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
