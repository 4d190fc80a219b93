"""The flags that say where independent jobs are done."""

import argparse
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from engine.errors import UsageError
from engine.jobs.flags import refuse_flags, whole_number

if TYPE_CHECKING:
    from engine.jobs.spreading.task import Backend

NAMES = ("backend", "address", "workers")

_MOST_WORKERS = 256


def add_spreading_flags(group: Any) -> None:
    """Add the flags about workers."""
    group.add_argument(
        "--backend",
        choices=("loky", "dask"),
        help="who trains windows: processes of this machine (default), or the workers of a Dask "
        "cluster, who search them too; the results are the same (docs/cluster.md)",
    )
    group.add_argument(
        "--address", metavar="tcp://HOST:PORT", help="of the scheduler, for --backend dask"
    )
    group.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="processes, for --backend loky; default: training.jobs",
    )


def asked_backend(args: argparse.Namespace) -> "Backend | None":
    """Return where jobs are done; None where the flags leave it to the settings.

    Raises
    ------
    UsageError
        if they do not go together, or Dask is not installed
    """
    if args.backend != "dask":
        refuse_flags(args, ("address",), "goes with --backend dask: add it, or leave it out")
        return None if args.workers is None else _processes(args.workers)
    refuse_flags(args, ("workers",), "does not go with --backend dask: the cluster has its own")
    if args.address is None:
        raise UsageError(
            "--backend dask needs the --address of a scheduler that runs, such as "
            "tcp://127.0.0.1:8786; start one with: dask scheduler"
        )
    if find_spec("distributed") is None:
        raise UsageError(
            "--backend dask needs two packages that are not installed: pip install dask distributed"
        )
    from engine.jobs.spreading.cluster import Cluster  # an optional library, and slow to load

    return Cluster(args.address)


def _processes(count: int) -> "Backend":
    from engine.jobs.spreading.here import Processes  # help and most runs start without joblib

    return Processes(count)


def _workers(text: str) -> int:
    count = whole_number(text)
    if not 1 <= count <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {_MOST_WORKERS}, found {text}")
    return count
