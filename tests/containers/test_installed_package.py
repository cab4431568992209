"""What is installed is what is in the tree: a wheel without its data files works on no machine but the developer's."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocol", "controller", "agent", "firmware_repo")


def test_the_wheel_has_every_file_of_the_packages(tmp_path):
    source = tmp_path / "source"  # a copy: setuptools leaves build/ and *.egg-info in the folder it works on
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    wanted = {
        str(path.relative_to(ROOT)) for path in files if path.suffix not in (".pyc", ".sh")
    }  # .sh: for developers
    for name in [*wanted, "pyproject.toml", "LICENSE"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "README.md").touch()

    command = "import sys, setuptools.build_meta as build; build.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", command, str(tmp_path)], cwd=source, check=True, capture_output=True)

    [wheel] = tmp_path.glob("*.whl")
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()
