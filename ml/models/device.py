"""Where models learn: on the processor, or on a graphics card by CUDA.

What is learned lives on the processor and answers there. XGBoost draws its rows by another
generator on a card, and an LSTM adds up in another order, so what a card has learned is near to
what the processor would have, and not the same: docs/cluster.md says how near.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Literal, TypeAlias

from ml.errors import TrainingError

Device: TypeAlias = Literal["cpu", "cuda"]
AskedDevice: TypeAlias = Literal["auto", "cpu", "cuda"]


def device_here(asked: AskedDevice) -> Device:
    """Return where models learn on this machine; `auto` is a card where there is one for all.

    Raises
    ------
    TrainingError
        if CUDA is asked for and cannot be had
    """
    if asked == "cpu":
        return "cpu"
    lack = cuda_lack()
    if lack and asked == "cuda":
        raise TrainingError(
            f"--device cuda needs a graphics card that PyTorch and XGBoost can use, and {lack}; "
            "give --device cpu, or auto for a card only where there is one"
        )
    return "cpu" if lack else "cuda"


def cuda_lack() -> str:
    """Return why models cannot learn on a graphics card; empty if they can."""
    try:
        import torch  # here and not above: who learns on the processor need not wait for them
        import xgboost
    except (ImportError, OSError, ValueError) as error:
        return f"a library cannot be loaded: {error}"
    if not torch.cuda.is_available():
        return f"PyTorch {_version('torch')} finds none"
    if not xgboost.build_info().get("USE_CUDA"):
        return f"XGBoost {_version('xgboost')} was built without CUDA"
    return ""


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "of an unknown version"
