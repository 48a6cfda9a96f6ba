"""`python -m bench.page [FOLDER]`: the page of figures that were measured before."""

import sys

from bench.page import FOLDER, write

if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else FOLDER)
