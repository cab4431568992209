"""The firmware repository: images on disk under their sha256, checked on the way in, served in ranges on the way out.

errors.py what can be wrong · blobs.py the store · incoming.py an image on its way in · intake.py checks at import ·
ranges.py what a request asks for · web.py the HTTP face. The catalogue (which version is which image, its notes and
dates) is not here: it lives in PostgreSQL. Knows protocol/ only.
"""
