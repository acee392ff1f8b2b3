"""Pictures of a GIF: 256 colours each, of a palette of its own."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.format import VideoFormat


class Palette:
    """Reduces the colours of frames one by one, so that a film of any length needs little memory.

    Args:
        size: (width, height) of the frames.
        rate: frames per second.
    """

    def __init__(self, size: tuple[int, int], rate: Fraction) -> None:
        self._graph, self._rate, self._pushed = Graph(), rate, 0
        width, height = size
        form = VideoFormat("rgb24", width, height)
        source = self._graph.add_buffer(width=width, height=height, format=form, time_base=1 / rate)
        split, generate = self._graph.add("split"), self._graph.add("palettegen", "stats_mode=single")
        # Without dithering: it doubles the work, flickers, and these pictures have few colours.
        use, sink = self._graph.add("paletteuse", "new=1:dither=none"), self._graph.add("buffersink")
        links: list[tuple[FilterContext, FilterContext, int, int]] = [
            (source, split, 0, 0),
            (split, generate, 0, 0),
            (split, use, 1, 0),
            (generate, use, 0, 1),
            (use, sink, 0, 0),
        ]
        for start, end, output, entry in links:
            start.link_to(end, output, entry)
        self._graph.configure()

    def reduce(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """The frames that are ready after `frame`, None after the last."""
        if frame is not None:
            frame.pts, frame.time_base = self._pushed, 1 / self._rate
            self._pushed += 1
        self._graph.push(frame)
        while True:
            try:
                ready = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):  # wants another frame, had its last
                return
            assert isinstance(ready, av.VideoFrame)
            yield ready
