"""What differs between two outputs without meaning anything: clocks, uptimes, counters, remaining lifetimes.

Comparing leaves it out. A table names the declared command ("" = every command) and the patterns whose matches count
for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Noise = Mapping[str, tuple[re.Pattern[str], ...]]

SEIL3: Noise = {}
SEIL8: Noise = {}
SEIL6: Noise = {}
