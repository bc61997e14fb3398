"""The report of an evaluation: one document, as HTML, Markdown and PDF."""
