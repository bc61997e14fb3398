"""The bundle that ships with masklens lies in ``default/``."""
