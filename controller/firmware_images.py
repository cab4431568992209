"""Where images are, by the settings: files of this host, or an S3-compatible store. Part of the composition root."""

from __future__ import annotations

from controller.settings import Settings
from controller.startup import CannotStart
from firmware_repo.blobs import Blobs
from firmware_repo.images import Images


def open_images(settings: Settings) -> Images:
    """Makes firmware_dir when it is missing. A store is not asked anything yet: it may be down when we start.

    Raises CannotStart when what talks to stores is not installed, or has no use for the settings.
    """
    blobs = Blobs(settings.firmware_dir)
    return _in_bucket(settings, blobs) if settings.firmware_s3_url else blobs


def _in_bucket(settings: Settings, blobs: Blobs) -> Images:
    try:
        from firmware_repo.bucket import Access, Bucket  # an extra, and boto3 takes its time
        from firmware_repo.s3 import BucketImages
    except ImportError as error:
        raise CannotStart(
            f"firmware_s3_url is set, and {error.name} is not installed. Install it: pip install 'hikitsugi[s3]'."
        ) from error
    key, secret = settings.firmware_s3_access_key, settings.firmware_s3_secret_key
    assert settings.firmware_s3_url and settings.firmware_s3_bucket and key and secret  # the settings' own rules
    access = Access(
        settings.firmware_s3_url,
        settings.firmware_s3_bucket,
        key.get_secret_value(),
        secret.get_secret_value(),
        settings.firmware_s3_region,
        settings.firmware_s3_ca,
    )
    try:
        bucket = Bucket(access)
    except (ValueError, OSError) as error:
        ca = f" with firmware_s3_ca = {access.ca}" if access.ca else ""
        raise CannotStart(f"The store of images cannot be used{ca}: {error}.") from error
    return BucketImages(bucket, blobs, settings.firmware_cache_bytes)
