"""The report of `python -m bench.peers --report`: from JSON figures to a page with charts.

    python -m bench.page [FOLDER]      writes the page again from the figures that are there

plan.py says what is measured, goals.py what is asked of it, figures.py reads numbers out of the
results, tables.py, charts.py and document.py write them down.
"""

import json
import re
from pathlib import Path

from bench.page.document import compose

FOLDER = Path(__file__).resolve().parent.parent / "report"
RESULTS = "results.json"
PAGE = "README.md"
DIGITS = 4  # of a sample that the file keeps
PLACES = re.compile(r"(?<![\w./:])/(?:[^\s/:\"']+/)+")  # folders of this machine, in error texts


def save(result, folder):
    """Writes the raw figures and the page with its charts into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(publishable(result), separators=(",", ":"))
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")
    write(folder)


def write(folder):
    """Writes the page and its charts from the figures in `folder`."""
    folder = Path(folder)
    result = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    for old in folder.glob("*.png"):
        old.unlink()
    (folder / PAGE).write_text(compose(result, folder), encoding="utf-8")


def publishable(value):
    """The same structure with floats cut to a few significant digits, and no folder's name."""
    if isinstance(value, dict):
        return {key: publishable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [publishable(part) for part in value]
    if isinstance(value, str):
        return PLACES.sub("", value)
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
