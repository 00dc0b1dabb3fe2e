"""A new corpus from a folder of recordings: guess what their names tell, then write the adapter, its listing and
its test.

>>> from emotone.corpora.new import Draft, guess, recordings, write
>>> files = recordings("recordings")                                            # doctest: +SKIP
>>> guess(files).pattern                                                        # doctest: +SKIP
'{speaker}_{emotion}_{n}'
>>> draft = Draft(name="mine", pattern="{speaker}_{emotion}_{n}", files=files)  # doctest: +SKIP
>>> write(draft, "emotone-mine")                                                # doctest: +SKIP

What is written is a package of four small files. ``pip install -e emotone-mine`` makes ``mine`` a corpus like those of
emotone; ``EMOTONE_PLUGINS=emotone-mine`` does so without installing anything.
"""

from __future__ import annotations

from emotone.corpora.new._draft import Draft, recordings
from emotone.corpora.new._guess import Guess, guess, likely_emotion
from emotone.corpora.new._pattern import Pattern
from emotone.corpora.new._writing import write

__all__ = ["Draft", "Guess", "Pattern", "guess", "likely_emotion", "recordings", "write"]
