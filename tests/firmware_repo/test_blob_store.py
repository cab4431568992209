"""The store keeps exactly what was announced, once, and survives kill -9 and full disks without a trace."""

import hashlib
import os
import random
import resource
import subprocess
import sys
import textwrap
import threading
from io import BytesIO
from pathlib import Path

import pytest

from firmware_repo.blobs import Blob, Blobs
from firmware_repo.errors import Damaged, NoSuchBlob, StoreFull, Unavailable, WrongContent

BODY = random.Random(2).randbytes(3_000_001)
DIGEST = hashlib.sha256(BODY).hexdigest()
BLOB = Blob(DIGEST, len(BODY))
WAIT_S = 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "firmware"


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def read(blobs: Blobs, sha256: str) -> bytes:
    with blobs.open(sha256) as opened:
        return opened.file.readall()


def test_what_was_added_is_found_under_its_digest(root):
    blobs = Blobs(root)

    assert blobs.add(BytesIO(BODY), DIGEST, len(BODY)) == BLOB

    assert read(blobs, DIGEST) == BODY
    assert list(blobs.stored()) == [DIGEST]
    assert files(root) == [blobs.path(BLOB)]


def test_a_store_opened_again_has_what_was_added_before(root):
    Blobs(root).add(BytesIO(BODY), DIGEST, len(BODY))

    assert read(Blobs(root), DIGEST) == BODY


def test_the_same_image_twice_is_stored_once(root):
    blobs = Blobs(root)

    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))

    assert files(root) == [blobs.path(BLOB)]


def test_two_concurrent_adds_of_the_same_image_both_succeed_and_store_it_once(root):
    blobs = Blobs(root)
    both_begun = threading.Barrier(2, timeout=WAIT_S)
    results: list[Blob] = []

    class Meeting(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                both_begun.wait()
            return super().read(size)

    def add() -> None:
        results.append(blobs.add(Meeting(BODY), DIGEST, len(BODY)))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert results == [BLOB, BLOB]
    assert files(root) == [blobs.path(BLOB)]
    assert blobs.verify(DIGEST) == BLOB


@pytest.mark.parametrize(
    ("body", "sha256", "size", "complaint"),
    [
        (BODY, "0" * 64, len(BODY), "has sha256"),
        (BODY[:-1], DIGEST, len(BODY), "ended after 3000000 of"),
        (BODY + b"x", DIGEST, len(BODY), "longer than the announced"),
        (b"", DIGEST, len(BODY), "ended after 0 of"),
    ],
)
def test_what_is_not_as_announced_is_refused_and_leaves_nothing(root, body, sha256, size, complaint):
    blobs = Blobs(root)

    with pytest.raises(WrongContent, match=complaint):
        blobs.add(BytesIO(body), sha256, size)

    assert files(root) == []
    assert list(blobs.stored()) == []


def test_a_stream_that_breaks_leaves_nothing(root):
    class Breaking(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ConnectionResetError("gone")
            return super().read(size)

    blobs = Blobs(root)

    with pytest.raises(ConnectionResetError):
        blobs.add(Breaking(BODY), DIGEST, len(BODY))

    assert files(root) == []


@pytest.mark.parametrize("sha256", ["", "x" * 64, DIGEST.upper() + "g", "../" + DIGEST, DIGEST + "\n"])
def test_a_digest_that_is_none_never_becomes_a_path(root, sha256):
    blobs = Blobs(root)

    with pytest.raises(ValueError, match="64 lower-case"):
        blobs.add(BytesIO(BODY), sha256, len(BODY))
    with pytest.raises(ValueError, match="64 lower-case"):
        blobs.open(sha256)


def test_an_unknown_digest_is_not_there(root):
    with pytest.raises(NoSuchBlob):
        Blobs(root).open(DIGEST)
    with pytest.raises(NoSuchBlob):
        Blobs(root).verify(DIGEST)


@pytest.mark.parametrize("length", [0, 1, len(BODY) - 1, len(BODY) + 1])
def test_a_file_of_another_length_is_damaged_at_once_and_healed_by_adding_again(root, length):
    blobs = Blobs(root)
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    os.truncate(blobs.path(BLOB), length)

    with pytest.raises(Damaged, match=f"has {length} bytes on disk"):
        blobs.open(DIGEST)

    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    assert read(blobs, DIGEST) == BODY


def test_one_changed_byte_is_found_by_verify(root):
    blobs = Blobs(root)
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    with blobs.path(BLOB).open("r+b") as file:
        file.seek(1_000_000)
        file.write(bytes([BODY[1_000_000] ^ 1]))

    with pytest.raises(Damaged, match="now holds content"):
        blobs.verify(DIGEST)


def test_a_stray_file_beside_a_blob_is_reported_not_served(root):
    blobs = Blobs(root)
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    (blobs.path(BLOB).parent / "7").write_bytes(b"seven..")

    with pytest.raises(Damaged, match="must hold one file"):
        blobs.open(DIGEST)


def test_a_process_with_no_room_for_another_open_file_calls_nothing_damaged(root):
    blobs = Blobs(root)
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(Unavailable):
            blobs.open(DIGEST)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert read(blobs, DIGEST) == BODY


def test_an_open_blob_stays_readable_while_it_is_replaced(root):
    blobs = Blobs(root)
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))

    with blobs.open(DIGEST) as opened:
        blobs.add(BytesIO(BODY), DIGEST, len(BODY))
        assert opened.file.readall() == BODY


# --- crashes ---------------------------------------------------------------------------------------------------------

ADD = f"""
    import sys
    from pathlib import Path
    from firmware_repo.blobs import Blobs
    blobs = Blobs(Path(sys.argv[1]))
    {{before}}
    blobs.add(sys.stdin.buffer, "{DIGEST}", {len(BODY)})
"""

DIE_AT_EVENT = """
    import itertools, os, signal
    steps = itertools.count(1)
    def die(event, arguments):
        if event in {"open", "tempfile.mkstemp", "fcntl.flock", "os.chmod", "os.mkdir", "os.rename", "os.remove"}:
            if next(steps) == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(die)
"""


def adding(root: Path, *arguments: str, before: str = "") -> list[str]:
    script = textwrap.dedent(ADD).format(before=textwrap.dedent(before))
    return [sys.executable, "-c", script, str(root), *arguments]


def test_kill_9_at_every_step_leaves_the_whole_image_or_none(root):
    survived = []
    for step in range(1, 40):
        here = root / str(step)
        ended = subprocess.run(adding(here, str(step), before=DIE_AT_EVENT), input=BODY, timeout=WAIT_S, check=False)

        blobs = Blobs(here)

        assert files(here / "incoming") == []
        for sha256 in blobs.stored():
            assert blobs.verify(sha256) == BLOB
        survived.append(list(blobs.stored()) == [DIGEST])
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, "the last run was not killed, so every step had its turn"
    assert survived[0] is False
    assert survived[-2:] == [True, True], "once in place, a kill does not lose it"


def test_kill_9_while_bytes_arrive_leaves_a_file_that_the_next_start_removes(root):
    child = subprocess.Popen(adding(root), stdin=subprocess.PIPE)
    try:
        assert child.stdin is not None
        child.stdin.write(BODY[: 2 << 20])  # returns when the child has taken all but the pipe's 64 KiB
        child.stdin.flush()
        [left] = files(root)
        Blobs(root)
        assert files(root) == [left], "a second process that starts meanwhile leaves the upload alone"
    finally:
        child.kill()
        child.wait(WAIT_S)
    assert files(root) == [left]

    blobs = Blobs(root)

    assert files(root) == []
    blobs.add(BytesIO(BODY), DIGEST, len(BODY))
    assert read(blobs, DIGEST) == BODY


# --- full disks ------------------------------------------------------------------------------------------------------

FILL_WHILE_READING = """
    import os
    from firmware_repo.errors import StoreFull
    class Filling:
        def read(self, size):
            with open(sys.argv[1] + "/filler", "wb", buffering=0) as file:
                try:
                    while file.write(bytes(65536)): pass
                except OSError: pass
            return sys.stdin.buffer.read(size)
    try:
        blobs.add(Filling(), "{digest}", {size})
    except StoreFull as full:
        print(full.detail)
    os.remove(sys.argv[1] + "/filler")
    print("left:", [path.name for path in Path(sys.argv[1]).rglob("*") if path.is_file()])
    sys.exit()
"""


def on_a_small_disk(root: Path, mebibytes: int, command: list[str]) -> str:
    root.mkdir()
    shell = 'mount -t tmpfs -o "size=$1m" tmpfs "$2" && shift 2 && exec "$@"'
    unshare = [
        "unshare",
        "--mount",
        *([] if os.getuid() == 0 else ["--user", "--map-root-user"]),
        "sh",
        "-ec",
        shell,
        "-",
    ]
    if subprocess.run([*unshare, "1", str(root), "true"], capture_output=True, check=False).returncode:
        pytest.skip("a small file system of its own cannot be mounted here")
    arguments = [*unshare, str(mebibytes), str(root), *command]
    return subprocess.run(arguments, input=BODY, stdout=subprocess.PIPE, timeout=WAIT_S, check=True).stdout.decode()


def test_a_disk_that_fills_up_on_the_way_is_a_clear_error_and_leaves_nothing(root):
    script = FILL_WHILE_READING.replace("{digest}", DIGEST).replace("{size}", str(len(BODY)))

    said = on_a_small_disk(root, 4, adding(root, before=script))

    assert f"No room for an image of {len(BODY)} bytes" in said
    assert "No space left on device" in said
    assert "left: []" in said


def test_an_image_that_cannot_fit_is_refused_before_a_byte_is_read(root):
    script = """
    from firmware_repo.errors import StoreFull
    try:
        blobs.add(None, "{digest}", {size})
    except StoreFull as full:
        sys.exit(print(full.detail))
    """.replace("{digest}", DIGEST).replace("{size}", str(len(BODY)))

    assert "make room and import again" in on_a_small_disk(root, 2, adding(root, before=script))


def test_a_file_size_limit_is_a_clear_error_and_leaves_nothing(root):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"

    ended = subprocess.run(adding(root, before=limited), input=BODY, capture_output=True, timeout=WAIT_S, check=False)

    assert StoreFull.__name__.encode() in ended.stderr
    assert b"File too large" in ended.stderr
    assert files(root) == []
