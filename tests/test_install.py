from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

import upperbodyseg
from upperbodyseg import ModelNotFoundError, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.cli import main
from upperbodyseg.cpus import available_cpus
from upperbodyseg.models import interpreter as runtimes
from upperbodyseg.models.interpreter import Interpreter, available_runtimes, import_runtime

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "examples" / "astronaut.jpg"


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "upperbodyseg", *arguments, **environment)


def broken_runtime(folder: Path, error: str) -> str:
    """A folder for PYTHONPATH whose runtimes fail as they are imported."""
    for module in ("ai_edge_litert", "tflite_runtime"):
        (folder / module).mkdir()
        (folder / module / "__init__.py").touch()
        (folder / module / "interpreter.py").write_text(f"raise {error}")
    return str(folder)


@pytest.mark.parametrize(
    "error",
    [
        'ImportError("numpy.core.multiarray failed to import")',
        'OSError("_pywrap.so: wrong ELF class:\\nELFCLASS32")',
        'AttributeError("_ARRAY_API not found")',
        'SystemError("initialization raised unreported exception")',
    ],
)
def test_a_runtime_that_cannot_load_is_one_line_and_exit_3(tmp_path: Path, error: str) -> None:
    path = broken_runtime(tmp_path, error)
    done = command("segment", PHOTO, "-o", tmp_path / "mask.png", PYTHONPATH=path)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "can't be imported" in done.stderr
    assert "pip install --force-reinstall ai-edge-litert" in done.stderr
    assert not (tmp_path / "mask.png").exists()
    told = command("info", PYTHONPATH=path)
    assert told.returncode == 3
    assert done.stderr.strip() in told.stderr


def test_tflite_runtime_beside_numpy_2_is_refused_before_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.1.0")
    with pytest.raises(ModelNotFoundError, match=r"needs NumPy 1, found 2\.1\.0: pip install 'numpy<2'"):
        import_runtime("tflite-runtime")


@pytest.mark.parametrize(
    ("wheels", "preferred"),
    [
        (["opencv-python", "opencv-python-headless"], "opencv-python"),
        (["opencv-contrib-python-headless", "opencv-python"], "opencv-contrib-python"),
        (
            ["opencv-contrib-python-headless", "opencv-python-headless"],
            "opencv-contrib-python-headless",
        ),
    ],
)
def test_info_names_two_packages_of_opencv(
    wheels: list[str], preferred: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if not name.startswith("opencv"):
            return real(name)
        if name in wheels:
            return "4.12"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert main(["info"]) == 0
    told = capsys.readouterr().err
    assert ", ".join(wheels) in told
    assert told.rstrip().endswith(f"pip install {preferred}")


def test_the_command_line_keeps_the_runtimes_information_to_itself(tmp_path: Path, runtime: str) -> None:
    mask = tmp_path / "mask.png"
    done = command("segment", PHOTO, "-o", mask, "--runtime", runtime)
    assert (done.returncode, done.stderr) == (0, "")
    assert cv2.imread(str(mask), cv2.IMREAD_UNCHANGED).mean() > 20


def test_what_else_is_written_while_a_model_loads_passes_through() -> None:
    done = run(
        "-c",
        "import os, sys\n"
        "from upperbodyseg.models.runtime_log import hide_information, without_information\n"
        "with without_information(): os.write(2, b'INFO: a\\n')\n"
        "hide_information()\n"
        "with without_information(): os.write(2, b'INFO: b\\nERROR: c\\n'); print('d', file=sys.stderr)\n"
        "os.write(2, b'INFO: e\\n')\n",
    )
    assert sorted(done.stderr.split("\n")) == ["", "ERROR: c", "INFO: a", "INFO: e", "d"]


def test_a_runtime_tells_whether_it_has_xnnpack(runtime: str) -> None:
    with UpperBodySegmenter(SegmenterOptions(runtime=runtime)) as engine:
        assert engine._pipeline is not None
        assert engine._pipeline._segmenter._interpreter.has_xnnpack


@pytest.mark.parametrize(("int8", "float16", "kept"), [(27.0, 1.0, "float16"), (1.0, 2.0, "int8")])
def test_without_xnnpack_there_is_one_warning_and_the_faster_file(
    int8: float, float16: float, kept: str, monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray
) -> None:
    if "ai-edge-litert" not in available_runtimes():
        pytest.skip("only ai-edge-litert runs int8 files")
    monkeypatch.setattr(Interpreter, "has_xnnpack", property(lambda _: False))
    times = {"int8": int8, "float16": float16}
    monkeypatch.setattr(Interpreter, "measure", lambda self: times[self.spec.precision])
    monkeypatch.setattr(runtimes, "_told_slow", type(runtimes._told_slow)())
    engine = UpperBodySegmenter(SegmenterOptions(model="fast", runtime="ai-edge-litert"))
    with pytest.warns(RuntimeWarning, match="no XNNPACK") as told:
        engine.initialize()
    assert len(told) == 1
    assert engine._pipeline is not None
    for model in (engine._pipeline._detector, engine._pipeline._segmenter):
        assert model._interpreter.spec.precision == kept
        assert model._interpreter.runtime == "ai-edge-litert"
    frame = upperbodyseg.FrameInput.from_array(astronaut, is_still=True)
    with engine:
        assert len(engine.process(frame).persons) == 1


@pytest.mark.skipif(shutil.which("unshare") is None or os.name != "posix", reason="needs Linux namespaces")
def test_without_proc_the_command_line_says_why_it_is_slow(tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    script = 'mount -t tmpfs none /proc 2>/dev/null || exit 77; exec "$@"'
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        [
            *("unshare", *user, "--mount", "sh", "-c", script, "sh"),
            *(sys.executable, "-m", "upperbodyseg", "segment", PHOTO, "-o", mask, "--model", "fast"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this user may not take /proc away")
    assert done.returncode == 0
    assert done.stderr.count("no XNNPACK") == 1
    assert "can't read /proc/cpuinfo" in done.stderr
    assert mask.exists()


def test_the_package_runs_from_a_zip(tmp_path: Path) -> None:
    wheel = tmp_path / "upperbodyseg.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in (ROOT / "upperbodyseg").rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(ROOT))
    code = (
        "import cv2, sys, upperbodyseg\n"
        "assert '.whl' in upperbodyseg.__file__\n"
        "from upperbodyseg.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    mask = tmp_path / "mask.png"
    done = subprocess.run(
        [sys.executable, "-c", code, "segment", str(PHOTO), "-o", str(mask)],
        env=os.environ | {"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert mask.exists()
    page = subprocess.run(
        [sys.executable, "-c", code, "demo", "--no-browser"],
        env=os.environ | {"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (page.returncode, "unpack it" in page.stderr) == (2, True)


def test_a_frozen_program_segments(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    program = tmp_path / "cut.py"
    program.write_text("import sys\nfrom upperbodyseg.cli import main\nsys.exit(main())\n")
    built = run(
        *("-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "--additional-hooks-dir"),
        *(ROOT / "upperbodyseg" / "_pyinstaller", "--paths", ROOT),
        *("--distpath", tmp_path / "dist", "--workpath", tmp_path / "build", "--specpath", tmp_path, program),
        PYINSTALLER_CONFIG_DIR=str(tmp_path / "cache"),
    )
    assert built.returncode == 0, built.stderr
    mask = tmp_path / "mask.png"
    done = subprocess.run(
        [tmp_path / "dist" / "cut" / "cut", "segment", PHOTO, "-o", mask],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert cv2.imread(str(mask), cv2.IMREAD_UNCHANGED).mean() > 20


def cgroup(root: Path, groups: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "cpus"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "0 0\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3),
        ("0::/docker/1234\n", {"cpu.max": "400000 100000"}, 4),  # the host's path, inside a container
        ("0::/../../x\n", {"cpu.max": "100000 100000"}, 8),
        (
            "5:cpu,cpuacct:/c\n1:memory:/c\n",
            {"cpu/c/cpu.cfs_quota_us": "250000\n", "cpu/c/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("5:cpuacct,cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        (
            "5:cpu,cpuacct:/docker/12\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "100000", "cpu,cpuacct/cpu.cfs_period_us": "50000"},
            2,
        ),
        ("", {}, 8),
    ],
)
def test_a_containers_quota_bounds_the_cpus(
    groups: str, files: dict[str, str], cpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cpus(cgroup(tmp_path, groups, files)) == cpus
