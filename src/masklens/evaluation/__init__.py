"""Measuring a bundle: scores with intervals, comparisons, and the report. Extra: evaluate."""
