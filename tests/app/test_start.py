"""How the app prepares itself: options, sample handlers."""

import json
from pathlib import Path

import pytest

from addon.app.options import Options, read_options
from addon.app.samples import seed


def test_options_of_supervisor(tmp_path: Path) -> None:
    """Its file counts, whatever the environment says."""
    file = tmp_path / "options.json"
    options = {"log_level": "debug", "extra_packages": ["jq"], "stop_grace": 3}
    file.write_text(json.dumps(options))
    assert read_options(file, {"LOG_LEVEL": "error"}) == Options(
        log_level="debug", extra_packages=("jq",), stop_grace=3
    )


def test_options_of_the_environment(tmp_path: Path) -> None:
    """Where there is no Supervisor; what is not set has its default."""
    environment = {"EXTRA_PACKAGES": "jq rsync", "STOP_GRACE": "20", "LOG_LEVEL": ""}
    assert read_options(tmp_path / "none", environment) == Options(
        extra_packages=("jq", "rsync"), stop_grace=20
    )
    assert read_options(tmp_path / "none", {}) == Options()


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Return the samples of a version."""
    folder = tmp_path / "samples"
    (folder / "lib").mkdir(parents=True)
    (folder / "run.sh").write_text("run, version 1")
    (folder / "stop.sh").write_text("stop, version 1")
    (folder / "lib" / "all.sh").write_text("all, version 1")
    return folder


def test_samples_are_installed(samples: Path, tmp_path: Path) -> None:
    """For nobody but their owner, and once."""
    handlers = tmp_path / "handlers"
    assert seed(samples, handlers, tmp_path / "list") == [
        *("lib/all.sh", "run.sh", "stop.sh"),
    ]
    for path in (handlers, *handlers.rglob("*")):
        assert path.stat().st_mode & 0o777 == 0o700
    assert seed(samples, handlers, tmp_path / "list") == []


def test_what_the_user_has_changed_stays(samples: Path, tmp_path: Path) -> None:
    """Changed, removed, linked, or there before; the rest is renewed."""
    handlers = tmp_path / "handlers"
    handlers.mkdir()
    (handlers / "stop.sh").write_text("the user's own")
    seed(samples, handlers, tmp_path / "list")
    assert (handlers / "stop.sh").read_text() == "the user's own"
    (samples / "run.sh").write_text("run, version 2")
    (samples / "stop.sh").write_text("stop, version 2")
    (samples / "new.sh").write_text("new, version 2")
    (handlers / "lib" / "all.sh").unlink()
    assert seed(samples, handlers, tmp_path / "list") == ["new.sh", "run.sh"]
    assert (handlers / "run.sh").read_text() == "run, version 2"
    assert (handlers / "stop.sh").read_text() == "the user's own"
    assert not (handlers / "lib" / "all.sh").exists()
    (handlers / "run.sh").write_text("the user's change")
    (handlers / "new.sh").unlink()
    (handlers / "new.sh").symlink_to("elsewhere")
    (samples / "run.sh").write_text("run, version 3")
    (samples / "new.sh").write_text("new, version 3")
    assert seed(samples, handlers, tmp_path / "list") == []
    assert (handlers / "run.sh").read_text() == "the user's change"
    assert (handlers / "new.sh").is_symlink()


def test_a_lost_list_overwrites_nothing(samples: Path, tmp_path: Path) -> None:
    """As after a new installation with an old configuration folder."""
    handlers = tmp_path / "handlers"
    seed(samples, handlers, tmp_path / "list")
    (tmp_path / "list").write_text("{")
    (samples / "run.sh").write_text("run, version 2")
    assert seed(samples, handlers, tmp_path / "list") == []
    assert (handlers / "run.sh").read_text() == "run, version 1"
