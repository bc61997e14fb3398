"""What a report is made of: a list of blocks that the HTML and the Markdown template both print."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes:
        file: name in the folder beside a Markdown report.
        kind: MIME type.
        data: the file's bytes.
        alt: what it shows, for those who cannot see it.
        width: as a share of the text's width, in per cent.
    """

    file: str
    kind: str
    data: bytes
    alt: str
    width: int = 100

    @property
    def data_uri(self) -> str:
        """The picture as an address that a page can hold."""
        return f"data:{self.kind};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True)
class Block:
    """One piece of the report; ``kind`` says which fields are used.

    Attributes:
        kind: "heading", "text", "key" (figures that stand out), "table", "figure", "gallery",
            "code", "terms".
        text: of a heading or paragraph; caption of tables, figures and galleries.
        label: "Table 1", "Figure 2".
        head, rows: of a table, or (term, explanation) rows, or (value, interval, what) of "key".
        pictures: of a figure (one) or gallery.
        notes: under each picture of a gallery: (file name, what happened).
    """

    kind: str
    text: str = ""
    label: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass
class Document:
    """A report that is being put together; tables and figures are numbered as they come."""

    title: str
    subtitle: str
    blocks: list[Block] = field(default_factory=list)
    tables: int = 0
    figures: int = 0

    def heading(self, text: str) -> None:
        """A section starts."""
        self.blocks.append(Block("heading", text))

    def text(self, text: str) -> None:
        """A paragraph."""
        self.blocks.append(Block("text", text))

    def key(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """The few figures that matter most: value, interval, what it is."""
        self.blocks.append(Block("key", rows=tuple(rows)))

    def table(self, caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A numbered table."""
        self.tables += 1
        self.blocks.append(
            Block("table", caption, f"Table {self.tables}", tuple(head), tuple(map(tuple, rows)))
        )

    def figure(self, caption: str, svg: str, alt: str, width: int = 100) -> None:
        """A numbered figure from SVG text."""
        self.figures += 1
        name = f"figure-{self.figures}"
        picture = Picture(f"{name}.svg", "image/svg+xml", svg.encode(), alt, width)
        self.blocks.append(Block("figure", caption, f"Figure {self.figures}", pictures=(picture,)))

    def gallery(
        self, caption: str, items: Sequence[tuple[bytes, str, str]], single: bool = False
    ) -> None:
        """A numbered figure of many small pictures: JPEG bytes, file name, what happened.

        ``single``: without heat maps, so that half the width is enough.
        """
        self.figures += 1
        width = 50 if single else 100
        pictures = tuple(
            Picture(f"figure-{self.figures}-{i}.jpg", "image/jpeg", jpeg, f"{name}: {text}", width)
            for i, (jpeg, name, text) in enumerate(items, start=1)
        )
        notes = tuple((name, text) for _, name, text in items)
        self.blocks.append(
            Block("gallery", caption, f"Figure {self.figures}", pictures=pictures, notes=notes)
        )

    def code(self, text: str) -> None:
        """Something to be typed."""
        self.blocks.append(Block("code", text))

    def terms(self, rows: Sequence[tuple[str, str]]) -> None:
        """Terms and what they mean."""
        self.blocks.append(Block("terms", rows=tuple(rows)))
