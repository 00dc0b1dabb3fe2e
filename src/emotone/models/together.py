"""One training in several processes, one for each GPU: what each of them hears, and how they stay one network.

A launcher such as ``torchrun`` starts the processes and tells each who it is; `joined` is where they meet, and
`Together.now` is what the loop asks::

    torchrun --nproc-per-node 4 --no-python emotone train finetune.toml -o runs/large

Every process deals the same batch with the same draws, puts its share of the rows through the network, and is given
everybody's answers, so that each has the loss of the whole batch. Going backward, each has the gradient of its own rows
alone, and torch's `DistributedDataParallel` adds them up. Whatever belongs to a batch and not to a row (the weights of
rare labels, mixup, the voices behind a voice, what a speaker is known by) is therefore what it is in one process. The
numbers are too, up to the order of sums and the draws of dropout; a checkpoint can go on in more processes, or fewer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from emotone.errors import ConfigError

__all__ = ["Hearing", "Together", "joined", "launched"]

PATIENCE = timedelta(hours=2)
"""How long the others wait for a process that reads its recordings or writes the run."""


def launched() -> int:
    """How many processes a launcher started for one training; 1 where none did."""
    size = os.environ.get("WORLD_SIZE", "1")
    return int(size) if size.isdecimal() and "RANK" in os.environ else 1


@contextmanager
def joined() -> Iterator[Together]:
    """The processes of a launcher, as one while the block runs; without a launcher, this process alone.

    Raises `ConfigError` where they can't find each other.
    """
    if launched() == 1 or distributed.is_initialized():
        yield Together.now()
        return
    with_gpu = torch.cuda.is_available()
    if with_gpu:
        torch.cuda.set_device(_local_rank() % torch.cuda.device_count())
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if with_gpu else "gloo", timeout=PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"The {launched()} processes of this training can't meet: {' '.join(str(error).split())[:200]}. Start them "
            "all with one torchrun, and see that they reach the address it names."
        ) from error
    try:
        yield Together.now()
    finally:
        distributed.destroy_process_group()


@dataclass(frozen=True)
class Together:
    """Which of the processes of a training this one is: ``rank`` of ``size``."""

    rank: int = 0
    size: int = 1

    @classmethod
    def now(cls) -> Together:
        """As torch's process group has it; alone where there is none."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    def device(self, kind: str) -> torch.device:
        """Where to compute: on a machine with several GPUs each process has its own."""
        if kind == "cuda" and self.size > 1:
            return torch.device("cuda", _local_rank() % torch.cuda.device_count())
        return torch.device(kind)

    def own(self, rows: Tensor) -> Tensor:
        """The share of a batch that this process hears, ``ceil(n / size)`` rows: where they don't come out even, the
        last ones hear the last row once more, for nothing."""
        if self.size == 1:
            return rows
        n = len(rows)
        share = -(-n // self.size)
        mine = torch.arange(self.rank * share, (self.rank + 1) * share, device=rows.device).clamp(max=n - 1)
        return rows[mine]

    def all_of(self, part: Tensor, n: int) -> Tensor:
        """The answers to all ``n`` rows from everybody's ``part``, as `own` dealt them. Its gradient is that of the own
        rows alone, times ``size`` because `DistributedDataParallel` takes the mean."""
        if self.size == 1:
            return part
        whole: Tensor = _Gathered.apply(part, self)
        return whole[:n]

    def dealt(self, items: NDArray[np.int64], work: Callable[[NDArray[np.int64]], Any]) -> list[Any]:
        """What ``work`` gives for each process's share of the ``items``, with those items: the same list in all."""
        mine = items[self.rank :: self.size]
        own = (mine, work(mine))
        if self.size == 1:
            return [own]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, own)
        return found

    def told(self, fact: Any) -> Any:
        """The ``fact`` of the first process, in all of them."""
        if self.size == 1:
            return fact
        facts = [fact]
        distributed.broadcast_object_list(facts, src=0)
        return facts[0]


class _Gathered(torch.autograd.Function):
    """Everybody's rows, one after the other."""

    @staticmethod
    def forward(context: Any, part: Tensor, together: Together) -> Tensor:
        context.together, context.n = together, len(part)
        parts = [torch.empty_like(part) for _ in range(together.size)]
        distributed.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        first = context.together.rank * context.n
        return gradients[0][first : first + context.n] * context.together.size, None


class Hearing:
    """A network on its way through a batch: ``logmel`` for all rows, then everything that learns, for the own share."""

    def __init__(self, network: Any, *, teaching: bool = False, together: Together | None = None) -> None:
        """``teaching``: whether there is a teacher to imitate. With ``together`` the gradients are everybody's."""
        self.logmel = network.logmel
        self.together = together or Together()
        self._heard: Any = _Learning(network, teaching)
        if self.together.size > 1:
            on_gpu = next(network.parameters()).device.type == "cuda"
            self._heard = nn.parallel.DistributedDataParallel(
                self._heard,
                device_ids=[torch.cuda.current_device()] if on_gpu else None,
                broadcast_buffers=False,  # no part of these networks counts anything in passing
                static_graph=True,  # an encoder has parameters that no step uses
            )

    def __call__(
        self, mel: Tensor, mask: Tensor, known: Callable[[Tensor], Tensor | float]
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Logits ``(n, n_labels)``, what is said in imitation ``(n, t, targets)`` or None, and which of its frames are
        sound ``(n, t)``, of all rows of ``mel``. ``known`` gives what to add to the embeddings of all rows."""
        together, n = self.together, len(mel)

        def of_own(embeddings: Tensor) -> Tensor | float:
            shifts = known(together.all_of(embeddings.detach().float(), n))
            return together.own(shifts) if isinstance(shifts, Tensor) else shifts

        logits, imitated, mask = self._heard(together.own(mel), together.own(mask), of_own)
        logits = together.all_of(logits, n)
        if imitated is None:
            return logits, None, mask
        return logits, together.all_of(imitated, n), together.all_of(mask.to(torch.uint8), n).bool()


class _Learning(nn.Module):
    """All of a network that has parameters, in one call: what `DistributedDataParallel` wants to see."""

    def __init__(self, network: Any, teaching: bool) -> None:
        super().__init__()
        self.network, self.teaching = network, teaching

    def forward(
        self, mel: Tensor, mask: Tensor, known: Callable[[Tensor], Tensor | float]
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        frames, mask = self.network.trunk(mel, mask)
        embeddings = self.network.embed(frames, mask)
        logits = self.network.answer(embeddings + known(embeddings)).float()
        return logits, self.network.imitate(frames).float() if self.teaching else None, mask


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))
