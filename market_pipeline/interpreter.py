"""This Python, for the programs that we start."""

import sys

PYTHON = (sys.executable, "-P")
"""With ``-P`` nothing is imported from the working folder, where somebody else may have put a module under a name that
we import."""
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""The same as a variable, for what those programs start themselves."""
