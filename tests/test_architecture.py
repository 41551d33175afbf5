"""The rules of the layout: which module may import which, how large a module may be, what may lie in the repository."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("medseg_demo", "evaluation")
MODULES = [*sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")), ROOT / "app.py"]

# Each part of medseg_demo imports from parts of a lower rank only, so that steps of one rank never import each other.
RANKS = {
    "errors": 0,
    "language": 0,
    "documents": 0,
    "names": 0,
    "numbers": 0,
    "image": 1,
    "settings": 1,
    "models": 2,
    "orientation": 2,
    "reading": 3,
    "rendering": 3,
    "segmenting": 4,
    "test_sets": 6,
    "writing": 5,
    "samples": 6,
    "following": 7,
    "correcting": 7,
    "exporting": 7,
    "live": 7,
    "publishing": 7,
    "prompting": 8,
    "training": 9,
    "ui": 10,
    "__init__": 10,
    "__main__": 11,
}

# What start-up does not need, and what it would wait for.
LATE = (
    "SimpleITK",
    "pydicom",
    "highdicom",
    "nilearn",
    "skimage",
    "monai",
    "lightning",
    "nibabel",
    "cc3d",
    "playwright",
    "trimesh",
    "openvino",
    "segmentation_models_pytorch",
    "timm",
    "torchvision",
    "nncf",
    "onnx",
    "av",
)

REQUIREMENTS = tuple(f"requirements{kind}.txt" for kind in ("", "-train", "-export", "-dev"))

PACKAGES_WITH_NAMES = [
    ".".join(path.parent.relative_to(ROOT).parts)
    for path in MODULES
    if path.name == "__init__.py" and "\n__all__" in path.read_text(encoding="utf-8")
]
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager"}
MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:home|Users|root|work|mnt)/\w")
MEBIBYTE = 2**20


@cache  # read by many rules
def imports_of(path: Path) -> tuple[str, ...]:
    """The dotted names that a module imports when it runs, those inside functions included, those for types not."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)} has a relative import; name the package"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def importers(*names: str) -> list[str]:
    """The modules that import one of these packages, as paths from the root."""
    found = (path for path in MODULES if any(name.split(".")[0] in names for name in imports_of(path)))
    return [path.relative_to(ROOT).as_posix() for path in found]


def part(path: Path) -> str:
    """The name in RANKS of the part that a module of medseg_demo belongs to."""
    return path.relative_to(ROOT / "medseg_demo").parts[0].removesuffix(".py")


def repository_files() -> list[Path]:
    """The files that are tracked by git, or would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git clone, so what is tracked is unknown")
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_packages_import_one_way() -> None:
    assert [path for path in importers("evaluation") if path.startswith("medseg_demo/")] == []
    assert importers("app") == []


def test_every_part_has_a_rank() -> None:
    assert {part(path) for path in MODULES if path.is_relative_to(ROOT / "medseg_demo")} <= RANKS.keys()


def test_parts_import_only_lower_ranks() -> None:
    faults = []
    for path in (path for path in MODULES if path.is_relative_to(ROOT / "medseg_demo")):
        for name in imports_of(path):
            package, _, rest = name.partition(".")
            imported = rest.split(".")[0] if rest.split(".")[0] in RANKS else "__init__"  # a name of the package
            if package == "medseg_demo" and imported != part(path) and RANKS[imported] >= RANKS[part(path)]:
                faults.append(f"{path.relative_to(ROOT)} imports {name}")
    assert faults == []


# What opens a file of a user, by the last parts of a call's name; rule 1: nothing outside of reading does.
OPENERS = {
    *("Image.open", "ReadImage", "ImageFileReader", "dcmread", "read_file_meta_info", "nibabel.load", "nib.load"),
    *("np.load", "numpy.load", "np.fromfile", "np.memmap", "TiffFile", "imread", "imread_v2", "open_source"),
}


@cache
def calls_of(path: Path) -> frozenset[str]:
    """The dotted names that a module calls."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call))


def test_nothing_but_reading_opens_a_users_file() -> None:
    faults = []
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("medseg_demo/reading/"):
            faults += [f"{name} calls {call}" for call in calls_of(path) if is_opener(call)]
    assert faults == []


def is_opener(call: str) -> bool:
    return any(call == opener or call.endswith(f".{opener}") for opener in OPENERS)


def test_openers_are_found() -> None:
    calls = ("PIL.Image.open", "sitk.ReadImage", "pydicom.dcmread", "np.load", "numpy.load", "tifffile.imread")
    assert all(map(is_opener, calls))
    assert not any(map(is_opener, ("path.open", "json.load", "yaml.safe_load", "torch.load")))


def test_documents_of_users_are_parsed_by_one_rule() -> None:
    parsers = {"json.load", "json.loads", "yaml.safe_load", "yaml.load"}
    found = {path.relative_to(ROOT).as_posix() for path in MODULES if parsers & calls_of(path)}
    found -= {"medseg_demo/documents.py"}  # the rule
    # What the program itself wrote.
    own = {"evaluation/comparison/files.py", "evaluation/runs/store.py", "medseg_demo/language/__init__.py"}
    own |= {f"medseg_demo/models/origins/{name}.py" for name in ("onnx", "proposals", "trial")}
    assert found <= own


def test_only_interfaces_import_gradio() -> None:
    assert [path for path in importers("gradio") if "/ui/" not in path and path != "app.py"] == []


def test_only_interfaces_import_interfaces() -> None:
    interfaces = ("app.py", "medseg_demo/ui/", "evaluation/ui/")
    others = [path for path in MODULES if not path.relative_to(ROOT).as_posix().startswith(interfaces)]
    faults = [path.name for path in others for name in imports_of(path) if ".ui." in f"{name}."]
    assert faults == []


def test_metrics_import_nothing_of_the_project() -> None:
    for path in (ROOT / "evaluation/metrics").rglob("*.py"):
        own = {name for name in imports_of(path) if name.split(".")[0] in PACKAGES}
        assert {name for name in own if not name.startswith("evaluation.metrics")} == set(), path.name


def test_results_statistics_and_plots_run_without_torch() -> None:
    modules = [name for name in ("results", "statistics", "plots") if list((ROOT / "evaluation").glob(f"{name}*"))]
    code = "import sys\n" + "".join(f"import evaluation.{name}\n" for name in modules) + "print('torch' in sys.modules)"
    assert run_python(code) == "False"


def test_start_up_loads_nothing_heavy() -> None:
    assert run_python(f"import sys, app\nprint(*sorted(set({LATE!r}) & set(sys.modules)))") == ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_is_short_and_well_named(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert not FORBIDDEN_NAMES & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}


@pytest.mark.parametrize("name", PACKAGES_WITH_NAMES)
def test_declared_names_exist_and_own_names_are_declared(name: str) -> None:
    package = importlib.import_module(name)
    assert len(package.__all__) == len(set(package.__all__))
    assert [item for item in package.__all__ if not hasattr(package, item)] == []
    own = {item for item, value in vars(package).items() if getattr(value, "__module__", None) == name}
    assert {item for item in own if not item.startswith("_")} <= set(package.__all__)


def test_files_are_small() -> None:
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in repository_files()}
    assert {name: size for name, size in sizes.items() if size > 8 * MEBIBYTE} == {}
    assert sum(sizes.values()) < 60 * MEBIBYTE


def test_files_hold_no_path_of_one_machine() -> None:
    own = (path for path in repository_files() if "vendor" not in path.parts)
    files = (path for path in own if path.suffix not in {".safetensors", ".png"})
    faults = [path.relative_to(ROOT).as_posix() for path in files if MACHINE_PATH.search(path.read_bytes())]
    assert faults == []


def test_what_is_imported_is_required() -> None:
    assert undeclared(MODULES, "requirements.txt", "requirements-train.txt", "requirements-export.txt") == set()
    run_time = [path for path in MODULES if not {"training", "exporting"} & set(path.parts)]
    assert undeclared(run_time, "requirements.txt") == set()
    tests = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert undeclared(tests, *REQUIREMENTS) == set()


def test_lock_holds_every_requirement() -> None:
    assert set().union(*map(requirements, REQUIREMENTS)) <= requirements("requirements.lock")


def test_lock_names_no_index() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [line for line in lines if not re.match(r"#|\s|[a-z0-9-]+==[\w.]+\s", line)] == []
    assert not re.search(r"https?:|file:|--", "\n".join(lines))


def undeclared(paths: list[Path], *files: str) -> set[str]:
    """What these modules import, but no requirements file names."""
    installed, required = packages_distributions(), set().union(*map(requirements, files))
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"app", "benchmarks", "tests", *PACKAGES}
    # A Space installs the first by itself; the others are of extras.
    optional = {
        "spaces",
        "mcp",
        "anyio",
        "transformers",
        "onnxruntime",
        "captum",
        "av",
        "wandb",
        "mlflow",
        "ray",
        "torchio",
    }
    names = {name.split(".")[0] for path in paths for name in imports_of(path)} - own - optional
    foreign = names - sys.stdlib_module_names
    return {name for name in foreign if not required & {normalised(d) for d in installed.get(name, [name])}}


def requirements(name: str) -> set[str]:
    """The distributions that a requirements file names itself."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {normalised(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}


def normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def run_python(code: str) -> str:
    """What a fresh interpreter prints, started in the repository's root."""
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()
