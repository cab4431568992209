import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))  # docs/ holds scripts, not a package
