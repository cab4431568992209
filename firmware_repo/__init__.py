"""The firmware repository: images on disk under their sha256, checked on the way in, served in ranges on the way out.

errors.py what can be wrong · images.py the port · blobs.py the store · incoming.py an image on its way in · intake.py
checks at import · ranges.py what a request asks for · hooks.py what the face asks its user · web.py the face ·
requests.py, connection.py plain requests without an HTTP server · answers.py · opened.py descriptors in common ·
sending.py, sendfile.py, watch.py bodies.

Images in a bucket, an extra: s3.py the same port · bucket.py what is asked of the store · cache.py what is here of it ·
flights.py once for all who ask.

What is signed about images: roles.py who signs what · keys.py · releases.py what is signed of an image · documents.py,
making.py one document of metadata · ceremony.py the first day · chain.py may it be believed.

The catalogue (which version is which image, its notes and dates) is not here: it lives in PostgreSQL. Knows protocol/
only.
"""
