"""What is released: the file for HACS, and the folder of a local app."""

from pathlib import Path
import subprocess
from zipfile import ZipFile

import pytest

from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(__file__).parents[2]

# Of dist/ there is one, which the app's image is made of too.
pytestmark = pytest.mark.xdist_group("app")


@pytest.fixture(scope="module", autouse=True)
def dist() -> Path:
    """Make all of it."""
    subprocess.run((ROOT / "scripts" / "package",), check=True, capture_output=True)
    return ROOT / "dist"


@pytest.fixture
def local_app(dist: Path) -> Path:
    """Return the folder of the local app."""
    return dist / "app" / "aws_iot_jobs"


def test_the_integration_brings_its_samples(dist: Path) -> None:
    """All of them, beside its modules."""
    samples = [path for path in (ROOT / "handlers").rglob("*") if path.is_file()]
    with ZipFile(dist / "aws_iot_jobs.zip") as archive:
        names = set(archive.namelist())
        for sample in samples:
            name = sample.relative_to(ROOT).as_posix()
            assert archive.read(name) == sample.read_bytes()
    assert {"manifest.json", "__init__.py", "runner/client.py"} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_zip_is_the_same_each_time(dist: Path) -> None:
    """Of the same files, the same bytes."""
    before = (dist / "aws_iot_jobs.zip").read_bytes()
    subprocess.run((ROOT / "scripts" / "package",), check=True, capture_output=True)
    assert (dist / "aws_iot_jobs.zip").read_bytes() == before


def test_the_local_app_is_built_where_it_is_used(local_app: Path) -> None:
    """Its config.yaml names no image, and differs in nothing else."""
    released = load_yaml_dict(str(ROOT / "addon" / "config.yaml"))
    local = load_yaml_dict(str(local_app / "config.yaml"))
    assert released.pop("image")
    assert local == released


def test_the_local_app_has_all_that_its_image_is_made_of(local_app: Path) -> None:
    """What the Dockerfile copies is there, and is what is in the repository."""
    lines = (local_app / "Dockerfile").read_text().splitlines()
    sources = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert len(sources) == 3
    for source in sources:
        files = [path for path in (local_app / source).rglob("*") if path.is_file()]
        assert files
        for file in files:
            original = ROOT / file.relative_to(local_app)
            assert file.read_bytes() == original.read_bytes()


def test_the_local_app_shows_itself(local_app: Path) -> None:
    """With words, pictures and a profile."""
    names = {path.name for path in local_app.iterdir()}
    assert names >= {
        *("DOCS.md", "README.md", "CHANGELOG.md", "icon.png", "logo.png"),
        *("apparmor.txt", "translations"),
    }
