"""Writing the report: HTML, Markdown and PDF from the same content."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import ImageFile

from masklens.dataset.audit import Audit
from masklens.dataset.audit import audit as find_copies
from masklens.errors import OutputError
from masklens.evaluation.bars import Bar, search_bar
from masklens.evaluation.journey import Outcome
from masklens.evaluation.report.blocks import Document, Picture
from masklens.evaluation.report.content import build
from masklens.evaluation.report.explain import load_explainer
from masklens.evaluation.report.mistakes import galleries
from masklens.evaluation.report.targets import figures_beside
from masklens.evaluation.selection import Selection
from masklens.io.atomic import atomic_path, write_bytes, write_text


def write_report(
    outcome: Outcome,
    targets: Mapping[str, Path],
    *,
    mistakes: int = 12,
    heat: str = "auto",
    audit: bool = True,
    bar: Bar,
) -> None:
    """Write the report in every wanted format.

    HTML and PDF hold everything in one file. Markdown has its pictures in a folder beside it.

    Args:
        outcome: what was measured.
        targets: "html", "md", "pdf" -> file.
        mistakes: worst mistakes to show of each kind.
        heat: see :func:`masklens.evaluation.report.explain.load_explainer`.
        audit: look for near-duplicates among the judged pictures.
        bar: shows progress.

    Raises:
        OutputError: a file cannot be written.
    """
    subject = outcome.evaluation.subject
    explainer = None
    if subject.bundle is not None and mistakes:
        explainer = load_explainer(subject.bundle, heat, outcome.evaluation.options.threads)
    shown = galleries(outcome.evaluation, explainer, mistakes) if mistakes else ()
    found = look_for_duplicates(outcome.evaluation.selection, bar) if audit else None
    document = build(outcome, shown, explainer, found)
    html = render("report.html.j2", document, lambda picture: picture.data_uri)
    for name, target in targets.items():
        if name == "html":
            write_text(target, html)
        elif name == "md":
            write_markdown(target, document)
        else:
            write_pdf(target, html)


def look_for_duplicates(selection: Selection, bar: Bar) -> Audit:
    """Look among the judged pictures, or in all that they are split from.

    With a split the audit says how many judged pictures have a copy in the training part.
    """
    dataset = selection.dataset if selection.split is None else selection.whole
    with search_bar(len(dataset), bar) as progress:
        return find_copies(dataset, selection.split, progress, selection.duplicates)


def render(template: str, document: Document, address: Any) -> str:
    """Fill in a template; ``address`` turns a picture into what stands in its ``src``."""
    import jinja2

    loader = jinja2.PackageLoader("masklens.evaluation.report")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=template.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # A bar ends a cell of a Markdown table.
    environment.filters["cell"] = lambda text: text.replace("|", r"\|")
    style, *_ = loader.get_source(environment, "report.css")
    return environment.get_template(template).render(
        document=document, address=address, style=style
    )


def write_markdown(target: Path, document: Document) -> None:
    """Markdown, with the pictures in ``<name>-figures/`` beside it."""
    folder = figures_beside(target)

    def address(picture: Picture) -> str:
        write_bytes(folder / picture.file, picture.data)
        return f"{folder.name}/{picture.file}"

    write_text(target, render("report.md.j2", document, address))


def write_pdf(target: Path, html: str) -> None:
    """The HTML page, printed by WeasyPrint.

    Raises:
        OutputError: the libraries that WeasyPrint needs from the system are missing.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
    except OSError as error:
        raise OutputError(
            "Writing a PDF needs Pango, which is not installed. On Debian run: apt-get install "
            "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; on macOS: brew install pango; "
            "for Windows see WeasyPrint's First Steps. Or use --format html,md."
        ) from error
    finally:
        # Importing it tells Pillow to fill what truncated files lack with grey, for everybody.
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    # It warns of rules that are for screens only.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    with atomic_path(target) as temporary:
        weasyprint.HTML(string=html).write_pdf(temporary)
