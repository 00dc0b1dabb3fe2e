"""Archives: millions of recordings through one recogniser, into partitioned Parquet, exactly once.

::

    from emotone import batch

    options = batch.ArchiveOptions(what="timeline", model="default")
    summary = batch.annotate(["calls/"], "annotated/", options)
    batch.Archive.open("annotated/").segments().to_table()

``sources`` lists recordings, ``plan`` cuts the list into shards, an engine (``local_engine``, ``ray_engine``) turns the
recordings into rows by ``work``, and ``run`` writes each shard when it is whole. Only the process that calls `annotate`
writes, so whatever dies, nothing is written twice. A script that calls it has to do so under
``if __name__ == "__main__":``, as always with worker processes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.batch.archive import Archive
    from emotone.batch.local_engine import LocalEngine
    from emotone.batch.run import ArchiveOptions, Progress, annotate
    from emotone.batch.tally import Tally
    from emotone.batch.work import Failure, Item, Job, Piece, Task

__all__ = [
    "Archive",
    "ArchiveOptions",
    "Failure",
    "Item",
    "Job",
    "LocalEngine",
    "Piece",
    "Progress",
    "Tally",
    "Task",
    "annotate",
]

# Where each name lives. Looked up on first use: worker processes import this package before they have said to numpy how
# many threads it may have.
_HOMES = {
    "Archive": "archive",
    "ArchiveOptions": "run",
    "Failure": "work",
    "Item": "work",
    "Job": "work",
    "LocalEngine": "local_engine",
    "Piece": "work",
    "Progress": "run",
    "Tally": "tally",
    "Task": "work",
    "annotate": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emotone.batch' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"emotone.batch.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
