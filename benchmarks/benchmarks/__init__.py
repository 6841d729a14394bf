"""The asv suites. Helpers are imported by their plain names, under asv and in the tests alike."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
