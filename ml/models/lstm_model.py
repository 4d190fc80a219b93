"""A recurrent network over the last bars (PyTorch)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from threadpoolctl import ThreadpoolController
from torch import Tensor, nn

from feeds.bars import FloatArray
from ml.base import FloatMatrix, Rows
from ml.models.binary_model import BinaryModel, drawn_rows
from ml.models.device import Device
from ml.models.search_space import SearchSpace, Span

_OPENMP = ThreadpoolController().select(user_api="openmp")
_BATCH = 512  # rows per step of learning
_JUDGED = 4096  # rows per step of judging while learning
_ANSWERED = 256  # rows per step of answering: their sequences fit the processor's caches
_MEAN_KEPT, _SQUARE_KEPT = 0.9, 0.999  # by Adam, at every step
_PATIENCE = 3  # epochs without a better validation loss before the learning stops
_TAIL = 0.15  # share of the rows, the latest, that validates where no validation is given


class LSTMModel(BinaryModel):
    """One LSTM layer over `steps` bars and a linear head on its last state.

    Rows are sequences (rows, steps, features), oldest bar first, given in the order of time.
    Features are standardised by the training rows; classes are weighted to count alike. The
    epoch with the best validation loss is kept; without `validation` the latest 15 % of the
    rows take its place and are not learned from. Wherever it learns, the weights live on the
    processor and answer there. The global random state is left as it was.

    Parameters
    ----------
    steps : bars in a sequence
    hidden : width of the layer
    max_epochs : passes over the rows, at most
    learning_rate : of Adam
    max_rows : cap on the training rows; when more come, this many are drawn at random
    seed : of that draw, the first weights and the order of the batches
    jobs : threads while learning; answering takes one
    device : where it learns, `cpu` or `cuda`
    """

    # Not steps: the warm-up of a segment holds as many bars as the default needs.
    search_space: ClassVar[SearchSpace] = {
        "hidden": Span(8, 96, log=True),
        "learning_rate": Span(3e-4, 1e-2, log=True),
    }

    network_: "_Network"

    _row_shape = "(rows, steps, features)"
    _above_zero = ("steps", "hidden", "max_epochs", "learning_rate", "max_rows", "jobs")

    def __init__(  # noqa: PLR0913  what an estimator can be told is in its constructor
        self,
        *,
        steps: int = 24,
        hidden: int = 16,
        max_epochs: int = 15,
        learning_rate: float = 1e-3,
        max_rows: int = 20_000,
        seed: int = 0,
        jobs: int = 1,
        device: Device = "cpu",
    ) -> None:
        self.steps = steps
        self.hidden = hidden
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.max_rows = max_rows
        self.seed = seed
        self.jobs = jobs
        self.device = device

    def _as_rows(self, X: Any) -> FloatMatrix:
        rows = super()._as_rows(X)
        if rows.shape[1] != self.steps:
            self._refuse(f"rows must have {self.steps} steps, found {rows.shape[1]}")
        return rows

    def _learn(self, rows: Rows, validation: Rows | None) -> None:
        drawn = drawn_rows(len(rows.y), limit=self.max_rows, seed=self.seed)
        if validation is None:
            drawn, tail = np.split(drawn, [len(drawn) - int(_TAIL * len(drawn))])
            validation = rows.take(tail if len(tail) else drawn)
        learned = rows if len(drawn) == len(rows.y) else rows.take(drawn)
        with _own_random_state(self.seed, self.device), _threads(self.jobs):
            network = _Network(learned.X.shape[-1], self.hidden)
            self.network_ = _learned(network, self, learned, validation)
        self.rows_used_ = len(drawn)

    def _probability(self, X: FloatMatrix) -> FloatArray:
        with torch.inference_mode(), _threads(1):
            chunks = torch.split(torch.tensor(X), _ANSWERED)
            logits = torch.cat([self.network_(chunk) for chunk in chunks])
            return np.asarray(torch.sigmoid(logits.double()).numpy())

    def to_bytes(self) -> bytes:
        """Return what was learned as safetensors."""
        state = {**self.network_.state_dict(), "rows_used": torch.tensor(self.rows_used_)}
        return bytes(save(state))

    @classmethod
    def from_bytes(cls, data: bytes, params: Mapping[str, Any]) -> Self:
        """Return the model with these parameters that learned `data`.

        Raises
        ------
        ValueError
            If the bytes are not such a model.
        """
        model = cls(**params)
        model._check_parameters()  # they come from a file, as the weights do
        try:
            state = load(data)
            model.rows_used_ = int(state.pop("rows_used"))
            model.n_features_in_ = len(state["mean"])
            model.network_ = _Network(model.n_features_in_, model.hidden)
            model.network_.load_state_dict(state)
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise ValueError(f"LSTMModel: these are not its weights: {error}") from error
        model.network_.eval()
        model.classes_ = np.array([0, 1])
        return model


class _Network(nn.Module):
    """Standardise, run the LSTM, weigh its last state: (rows, steps, features) -> logits."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def know(self, X: Tensor) -> None:
        """Take mean and deviation of each feature from the rows; a constant keeps scale 1."""
        scale, self.mean = torch.std_mean(X, dim=(0, 1), correction=0)
        constant = scale <= 1e-6 * self.mean.abs()
        self.scale = torch.where(constant, torch.ones_like(scale), scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.weighed((x - self.mean) / self.scale)

    def weighed(self, standardised: Tensor) -> Tensor:
        """Return the logits of sequences whose features are standardised."""
        states, _ = self.lstm(standardised)
        logits: Tensor = self.head(states[:, -1]).squeeze(1)
        return logits


@contextmanager
def _own_random_state(seed: int, device: Device) -> Iterator[None]:
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def _threads(limit: int) -> AbstractContextManager[Any]:
    """Limit OpenMP for the calling thread; torch.set_num_threads would do so for everybody."""
    return cast("AbstractContextManager[Any]", _OPENMP.limit(limits=limit))


def _learned(
    network: _Network,
    model: LSTMModel,
    training: Rows,
    validation: Rows,
) -> _Network:
    """Return the network after its best epoch, on the CPU."""
    X, y, weight = _tensors(training)
    judge = _tensors(validation)
    network.know(X)
    for rows in (X, judge[0]):  # once, and not again in every epoch
        rows.sub_(network.mean).div_(network.scale)
    device = torch.device(model.device)
    network.to(device)
    odds = _balancing_weight(training).to(device)
    adam = _Adam(network.parameters(), model.learning_rate)
    best, best_epoch, best_state = np.inf, 0, deepcopy(network.state_dict())
    for epoch in range(model.max_epochs):
        for batch in torch.split(torch.randperm(len(y)), _BATCH):
            logits = network.weighed(X[batch].to(device))
            _step(network, adam, _loss(logits, y[batch], weight[batch], odds))
        score = _mean_loss(network, judge, odds)
        if score < best:
            best, best_epoch, best_state = score, epoch, deepcopy(network.state_dict())
        elif epoch - best_epoch >= _PATIENCE:
            break
    network.load_state_dict(best_state)
    return network.cpu().eval()


class _Adam:
    """Steps as long as the gradients of late agree.

    To the last bit it is `torch.optim.Adam`, which would import torch's compiler: 800 modules and
    more than a second of every process that trains.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015; its defaults.
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float) -> None:
        self._rate = rate
        self._steps = 0
        self._moved = [(each, torch.zeros_like(each), torch.zeros_like(each)) for each in weights]

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights by their gradients."""
        self._steps += 1
        size = self._rate / (1 - _MEAN_KEPT**self._steps)
        unbiased = (1 - _SQUARE_KEPT**self._steps) ** 0.5
        for weights, mean, square in self._moved:
            gradient = weights.grad
            if gradient is None:
                continue
            mean.lerp_(gradient, 1 - _MEAN_KEPT)
            square.mul_(_SQUARE_KEPT).addcmul_(gradient, gradient, value=1 - _SQUARE_KEPT)
            weights.addcdiv_(mean, (square.sqrt() / unbiased).add_(1e-8), value=-size)


def _step(network: nn.Module, adam: _Adam, loss: Tensor) -> None:
    """Move the weights against the gradient of the loss, clipped to a norm of 1."""
    network.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    adam.step()


def _mean_loss(network: _Network, rows: tuple[Tensor, Tensor, Tensor], odds: Tensor) -> float:
    X, y, weight = rows
    with torch.inference_mode():
        logits = torch.cat(
            [network.weighed(chunk.to(odds.device)) for chunk in torch.split(X, _JUDGED)]
        )
        return float(_loss(logits, y, weight, odds))


def _loss(logits: Tensor, y: Tensor, weight: Tensor, odds: Tensor) -> Tensor:
    """Return the mean cross-entropy of weighted rows, each 1 counting `odds` times."""
    device = odds.device
    return nn.functional.binary_cross_entropy_with_logits(
        logits, y.to(device), weight.to(device), pos_weight=odds
    )


def _balancing_weight(rows: Rows) -> Tensor:
    """Return the factor on the rows labelled 1 under which both classes weigh alike."""
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    ups = float(weight[rows.y == 1].sum())
    return torch.tensor((float(weight.sum()) - ups) / ups if ups > 0.0 else 1.0)


def _tensors(rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    y, weights = (torch.tensor(column, dtype=torch.float32) for column in (rows.y, weight))
    return torch.tensor(rows.X), y, weights
