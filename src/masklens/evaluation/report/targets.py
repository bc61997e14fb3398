"""Which report files are to be written."""

from __future__ import annotations

from pathlib import Path

from masklens.errors import OutputError
from masklens.evaluation.extras import require_pdf

FORMATS = ("html", "md", "pdf")

#: Endings that name a file, not a folder that happens to have a dot in its name.
_OTHER_FORMATS = ("csv", "doc", "docx", "jpg", "json", "odt", "png", "rtf", "tex", "txt", "xlsx")


def figures_beside(markdown: Path) -> Path:
    """The folder with the pictures of a report in Markdown."""
    return markdown.with_name(f"{markdown.stem}-figures")


def report_targets(report: Path | None, formats: str | None) -> dict[str, Path]:
    """Format -> file.

    Args:
        report: a file whose ending is a format, a folder, or None for no report.
        formats: "html,md,pdf" or a part of it; None takes the file's ending, else html.

    Raises:
        OutputError: a format that is not known, or formats without a report.
        MissingExtraError: PDF without WeasyPrint.
    """
    if report is None:
        if formats is not None:
            raise OutputError("--format needs --report DIR or --report FILE.")
        return {}
    suffix = report.suffix.lower().removeprefix(".")
    suffix = {"htm": "html", "markdown": "md"}.get(suffix, suffix)
    if suffix in _OTHER_FORMATS and not report.is_dir():
        raise OutputError(f"--report writes {', '.join(FORMATS)}. Received: {report}.")
    is_file = suffix in FORMATS and not report.is_dir()
    wanted = [part.strip().lower() for part in formats.split(",")] if formats else []
    if strangers := [part for part in wanted if part not in FORMATS]:
        raise OutputError(f"--format knows {', '.join(FORMATS)}. Received: {', '.join(strangers)}.")
    wanted = wanted or [suffix if is_file else "html"]
    if "pdf" in wanted:
        require_pdf()
    targets = {}
    for name in dict.fromkeys(wanted):
        base = report if is_file else report / "report"
        targets[name] = report if is_file and name == suffix else base.with_suffix(f".{name}")
    return targets
