"""What all series are assumed to have in common, because no public source tells (reference/devices.md §7.1).

One place, so that the first recording from a real adapter corrects it once. A series that turns out to differ gets its
own pattern in its own file.
"""

from __future__ import annotations

import re

PROMPT = re.compile(rb"[#>] ?")
"""A bare "#" for admin (FOUND on x86 Fuji, no host name in it), ">" for user (ASSUMED)."""

PAGER = re.compile(rb"-{2,4} ?\(?[Mm][Oo][Rr][Ee][^\r\n]{0,24}?-{2,4} ?")
"""--More--, -- more --, --More (40%)-- and the like (ASSUMED). A blank shows the next page."""

PAGER_ANSWER = b" "

REFUSAL = re.compile(
    rb"(?i)(?:%|\?|[^\w\r\n]{0,3}(?:error|unknown|invalid|incomplete|ambiguous|syntax|unrecogni[sz]ed|no such))"
)
"""How the one line of an error begins (ASSUMED: no error text was found anywhere)."""

LOGOUT = "exit"
"""FOUND for the statement family."""
