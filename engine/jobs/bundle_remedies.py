"""What to do where no bundle serves: those that are there, and the training that makes the one."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from engine.jobs.settings import PlainSettings, RunSettings, Settings, settings_of_class
from ml.bundle import DEFAULT_PATH
from ml.bundle_folder import CURRENT
from ml.errors import BundleError, BundleMismatchError, BundleMissingError

_MODELS = DEFAULT_PATH.parent
_MOST = 5  # bundles that an error names


def with_remedy(error: BundleError, settings: RunSettings, flag: str = "--model") -> BundleError:
    """Return the error with what can be done about it, as far as anything can be said.

    What it says depends on which folders there are: it is for a person, not for a record.

    Parameters
    ----------
    flag : by which the command is told another bundle
    """
    if isinstance(error, BundleMissingError):
        path = settings.strategy.ml_model_path
        near = bundles_near(path)
        other = f"name another by {flag}, found {_listed(near)}; or " if near else ""
        command = training_command(settings, path)
        return BundleMissingError(f"{path}: no bundle there; {other}train it: {command}")
    if isinstance(error, BundleMismatchError):
        command = training_command(settings, _MODELS / _name(settings))
        return BundleMismatchError(f"{error}; what makes one for this: {command}")
    return error


@contextmanager
def remedied(settings: RunSettings, flag: str = "--model") -> Iterator[None]:
    """Raise what keeps a bundle from serving with its remedy, `with_remedy`."""
    try:
        yield
    except BundleError as error:
        raise with_remedy(error, settings, flag) from error


def training_command(settings: RunSettings, output: Path) -> str:
    """Return the command that trains a bundle for the settings.

    FILE stands for bars from before the run, and FILE.toml for the settings of the run where they
    say more than its strategy does.
    """
    words = ["train_ml_ensemble.py", "--data", "FILE"]
    if isinstance(settings, PlainSettings):
        words += ["--population", "all"]  # it chooses the bars that it asks about by itself
    elif settings.strategy.file is not None:
        words += ["--strategy", _from_here(settings.strategy.file)]
    if isinstance(settings, Settings) and _says_more(settings):
        words += ["--config", "FILE.toml"]
    return shlex.join([*words, "--output", str(output)])


def bundles_near(path: Path) -> list[Path]:
    """Return the bundles in the folder, beside it and below models/, sorted."""
    patterns = ((path, "*"), (path.parent, "*"), (_MODELS, "*"), (_MODELS, "*/*"))
    found: list[Path] = []
    with suppress(OSError):  # of a folder that nobody may look into
        found += chain(*(folder.glob(f"{below}/{CURRENT}") for folder, below in patterns))
    return sorted({file.parent for file in found})


def _listed(bundles: list[Path]) -> str:
    more = f" and {len(bundles) - _MOST} more" if len(bundles) > _MOST else ""
    return f"{', '.join(map(str, bundles[:_MOST]))}{more}"


def _says_more(settings: Settings) -> bool:
    """Return whether what a bundle is trained for differs from the defaults of the strategy."""
    if any(member.joins for member in settings.members.values()):
        return True
    usual, own = Settings(), settings.strategy
    if own.file is not None and own.digest is not None:
        usual = Settings.model_validate(settings_of_class(own.file, own.digest).model_dump())
    return _served(usual) != _served(settings)


def _served(settings: Settings) -> tuple[object, ...]:
    strategy = settings.strategy
    return strategy.entry.facts, strategy.exits, strategy.mandatory_filter


def _name(settings: RunSettings) -> str:
    if isinstance(settings, Settings):
        return settings.strategy.identity["name"]
    return "any"


def _from_here(file: str) -> str:
    """Return PATH.py:ClassName from the folder of the command, if it lies below."""
    with suppress(ValueError):
        return str(Path(file).relative_to(Path.cwd()))
    return file
