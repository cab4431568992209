"""The pages of docs/reference, one module each. A page is a function `markdown()` that returns its whole text.

They are written in English wherever they are made, so the language is settled before any command is imported.
"""

import os

os.environ["LC_ALL"] = "C.UTF-8"
