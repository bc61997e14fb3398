"""The report's figures: nothing hides what they show."""

import re
from urllib.request import urlopen

import numpy as np

from masklens.curves import sweep
from masklens.evaluation.report import figures
from masklens.evaluation.report.blocks import Document
from masklens.evaluation.report.write import render
from masklens.intervals import Estimate, proportion


def corners(svg, patch):
    """Of a rectangle that matplotlib numbers: patch_1 is the whole figure, patch_2 a panel."""
    path = re.search(rf'<g id="{patch}">\s*<path d="([^"]*)"', svg)[1]
    places = np.array(re.findall(r"[ML] (\S+) (\S+)", path), float)
    (x1, y2), (x2, y1) = places.min(axis=0), places.max(axis=0)
    return x1, y1, x2, y2


def width(svg, patch):
    return corners(svg, patch)[2] - corners(svg, patch)[0]


def test_a_legend_takes_no_width_from_the_panels():
    alone = np.arange(10)
    rows = [(0.1, proportion(alone < 1, alone)), (0.9, proportion(alone < 9, alone))]
    svg = figures.calibration(rows, "boxes", "score")
    assert width(svg, "patch_2") > 0.38 * width(svg, "patch_1")


def test_no_line_runs_through_the_legend_of_the_thresholds():
    curve = sweep(np.array([0.9, 0.1]), np.array([True, False]), 3)
    area = Estimate(0.5, 0.4, 0.6, "bootstrap")
    lines = [("faces", np.array([0.1, 0.9]), np.array([1.0, 0.5]), area)]
    svg = figures.thresholds(lines, curve, 0.2)
    legend = svg[svg.rindex('<g id="legend_') :]
    assert re.search(r'style="fill: #ffffff[^"]*"', legend)
    assert "opacity" not in legend


def test_the_caption_of_a_wide_table_does_not_scroll_with_it():
    document = Document("A report", "")
    document.table("Wider than a telephone.", ("", "recall"), [("with_mask", "0.9")])
    html = render("report.html.j2", document, lambda picture: picture.data_uri)
    scrolls = html[html.index('<div class="scroll">') : html.index("</table></div>")]
    assert "Wider than a telephone." in html.replace(scrolls, "")
    assert "Wider" not in scrolls


def test_bars_of_neighbouring_bins_do_not_hide_each_other_and_one_item_has_one():
    """Drawn at the mean scores, 0.5999 and 0.6001 here, they lay on each other."""
    alone = np.arange(2)
    rows = [(0.5999, proportion(alone < 1, alone)), (0.6001, proportion(alone[1:] < 1, alone[:1]))]
    svg = figures.calibration(rows, "boxes", "score")
    panel = corners(svg, "patch_5")
    (left, _, first, high), (second, _, right, low) = (
        corners(svg, patch) for patch in ("patch_6", "patch_7")
    )
    assert left < first < second < right
    assert panel[3] < high < low < panel[1]  # down is more


def test_tables_and_figures_are_numbered_as_they_come_and_pictures_named_after_them():
    document = Document("A report", "")
    document.figure("First.", "<svg>ä</svg>", "bars")
    document.table("Between.", ("", "n"), [("a", "1")])
    items = [(b"one", "a.jpg", "is mask"), (b"two", "b.jpg", "is none")]
    document.gallery("Second.", items)
    document.table("Last.", ("", "n"), [("b", "2")])
    document.gallery("Third.", items[:1], single=True)
    assert [(block.label, block.text) for block in document.blocks] == [
        ("Figure 1", "First."),
        ("Table 1", "Between."),
        ("Figure 2", "Second."),
        ("Table 2", "Last."),
        ("Figure 3", "Third."),
    ]
    pictures = [picture for block in document.blocks for picture in block.pictures]
    assert [(p.file, p.alt, p.width) for p in pictures] == [
        ("figure-1.svg", "bars", 100),
        ("figure-2-1.jpg", "a.jpg: is mask", 100),
        ("figure-2-2.jpg", "b.jpg: is none", 100),
        ("figure-3-1.jpg", "a.jpg: is mask", 50),
    ]
    for picture, kind, data in zip(
        pictures,
        ("svg+xml", "jpeg", "jpeg"),
        ("<svg>ä</svg>".encode(), b"one", b"two"),
        strict=False,
    ):
        with urlopen(picture.data_uri) as shown:
            assert (shown.headers["Content-Type"], shown.read()) == (f"image/{kind}", data)
    assert document.blocks[2].notes == (("a.jpg", "is mask"), ("b.jpg", "is none"))


def test_a_bar_in_a_file_name_adds_no_column_to_a_markdown_table():
    document = Document("A report", "")
    document.table("Hashes.", ("", "sha256"), [("a|b.json", "02")])
    document.gallery("Mistakes.", [(b"", "a|b.jpg", "is mask")])
    markdown = render("report.md.j2", document, lambda picture: picture.file)
    rows = [line for line in markdown.splitlines() if "b.j" in line]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3]
