"""What can be set from outside, in one frozen record: the only reader of the environment."""

import getpass
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from medseg_demo.errors import OptionError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # what has to be on the path for both packages
# A wheel carries the checkpoints and the page's program inside the package; in a clone they lie beside it.
BUNDLED = PACKAGE / "bundled" if (PACKAGE / "bundled").is_dir() else ROOT
CHECKPOINTS = Path("checkpoints")  # of the working folder; with the bundled ones, unless another folder is chosen

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Backend = Literal["auto", "torch", "openvino"]

PREFIX = "MEDSEG_"


def user_folder(kind: Literal["cache", "data"]) -> Path:
    """Where this system wants a user's files.

    Source: XDG Base Directory Specification; Apple's File System Programming Guide; Windows' known folders.
    """
    home = Path.home()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = home / "Library" / {"cache": "Caches", "data": "Application Support"}[kind]
    else:
        fallback = home / {"cache": ".cache", "data": ".local/share"}[kind]
        base = os.environ.get(f"XDG_{kind.upper()}_HOME") or fallback
    return Path(base) / "medseg-demo"


def writable_folder() -> Path:
    """The first in which files can be kept: the working folder, the user's data folder, the temporary one."""
    data = user_folder("data")
    above = next(folder for folder in (data, *data.parents) if folder.exists())
    if os.access(Path(), os.W_OK):
        return Path()
    return data if os.access(above, os.W_OK) else Path(tempfile.gettempdir()) / data.name


def complete_account() -> None:
    """Give the account a name and a home where it has none, such as an arbitrary user id in a container.

    PyTorch asks for the name, and a Space's package ``spaces`` ends without a home. The temporary folder is one.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


complete_account()
WORKING = writable_folder()
CACHE = user_folder("cache")


@dataclass(frozen=True)
class Settings:
    """Paths, device and limits. Each can be set by the environment variable MEDSEG_<NAME>.

    Attributes:
        checkpoints_dir: The folder of checkpoint folders; by default the working folder's and the bundled ones.
        test_sets_dir: The folder of test-set folders; by default the working folder's, or the user's data folder's
            where nobody may write in that.
        results_dir: Where evaluation results are kept; by default beside the test sets.
        device: "auto" (CUDA, then Apple MPS, then CPU), or a name that torch knows, such as "cuda:1".
        precision: "auto" takes the fastest that the device computes natively.
        backend: What runs networks: "auto" takes OpenVINO on a CPU where it is installed, else PyTorch.
        cache_dir: Where networks are kept as OpenVINO takes them, so that they are converted once.
        threads: Threads of one network on a CPU; 0 takes one for each processor of this process.
        batch_size: Tiles or slices that go through a network at once; 0 chooses by device.
        cached_mb: Memory for checkpoints that are kept loaded, in MiB; the one in use is kept however large it is.
        max_file_mb: Largest file that is read, in MiB.
        max_megapixels: Largest 2-D image, in millions of pixels.
        max_megavoxels: Largest volume, in millions of voxels.
        max_decoded_mb: Most memory that one image takes once it is unpacked and converted, in MiB.
        max_upload_files: Most images in one upload to the page, those inside zips counted; a series of slices is one.
        max_video_frames: Most frames of a video that are segmented; of a longer one every second, third, … is.
        max_queued: Most events of all visitors that wait for the page to answer.
        max_jobs: Most runs of one visitor at once.
        max_uploads_a_minute: Most uploads of one visitor in a minute; a folder is one.
        max_session_mb: Most files of one visitor, in MiB.
        max_total_mb: Most files of all visitors, in MiB.
        ray_address: Of the Ray cluster that scores the evaluations of the page, as host:port; empty scores them here.
        allow_uploaded_checkpoints: Whether checkpoints that visitors of a public page add are kept for everybody; else
            each goes with its session.
        allow_torchscript: Whether checkpoints that are programs (TorchScript) are run; never where the page is public.
        public: Whether strangers reach the page: its limits are then those of ``PUBLIC`` where none is set, and no
            folder of the server is named.
    """

    checkpoints_dir: Path = CHECKPOINTS
    test_sets_dir: Path = WORKING / "test_sets"
    results_dir: Path = WORKING / "results"
    device: str = "auto"
    precision: Precision = "auto"
    backend: Backend = "auto"
    cache_dir: Path = CACHE
    threads: int = 0
    batch_size: int = 0
    cached_mb: int = 1024
    max_file_mb: int = 1024
    max_megapixels: int = 100
    max_megavoxels: int = 512
    max_decoded_mb: int = 2048
    max_upload_files: int = 500
    max_video_frames: int = 20_000
    max_queued: int = 512
    max_jobs: int = 64
    max_uploads_a_minute: int = 600
    max_session_mb: int = 8192
    max_total_mb: int = 32768
    ray_address: str = ""
    allow_uploaded_checkpoints: bool = False
    allow_torchscript: bool = False
    public: bool = False

    @property
    def keeps_checkpoints(self) -> bool:
        """Whether a checkpoint that is added on the page stays for everybody."""
        return not self.public or self.allow_uploaded_checkpoints

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, *, public: bool = False) -> "Settings":
        """Settings with every MEDSEG_<NAME> of the environment applied.

        Args:
            environment: What was set from outside.
            public: Whether strangers reach the page, whatever the environment says.

        Raises:
            OptionError: A variable's value is not of the kind that its setting needs.
        """
        public = public or _convert(f"{PREFIX}PUBLIC", environment.get(f"{PREFIX}PUBLIC") or "0", bool) is True
        values: dict[str, object] = dict(PUBLIC) if public else {}
        for setting in fields(cls):
            variable = PREFIX + setting.name.upper()
            text = environment.get(variable, "")
            if text:
                values[setting.name] = _convert(variable, text, type(getattr(cls, setting.name)))
        if public:
            values["allow_torchscript"] = False
        settings = cls(**values | {"public": public})  # type: ignore[arg-type]
        for name, choices in (("precision", get_args(Precision)), ("backend", get_args(Backend))):
            value = getattr(settings, name)
            if value not in choices:
                raise OptionError(f"{PREFIX}{name.upper()} is {value!r}. Choose one of: {', '.join(choices)}.")
        return settings


# For a page that strangers reach; docs/deployment.md says why these.
PUBLIC: Mapping[str, object] = MappingProxyType(
    {
        "max_file_mb": 256,
        "max_megapixels": 50,
        "max_megavoxels": 128,
        "max_decoded_mb": 1024,
        "max_upload_files": 200,
        "max_video_frames": 3_000,
        "max_queued": 128,
        "max_jobs": 4,
        "max_uploads_a_minute": 30,
        "max_session_mb": 1024,
        "max_total_mb": 8192,
    }
)


def allows_programs(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process may run checkpoints that are programs: its owner says so, and no stranger reaches it."""
    public = "SPACE_ID" in environment
    return Settings.from_environment(environment, public=public).allow_torchscript


def forbid_programs() -> None:
    """Take the owner's word back, for this process and those that it starts: strangers are about to reach it."""
    os.environ.pop(f"{PREFIX}ALLOW_TORCHSCRIPT", None)


def _convert(variable: str, text: str, kind: type) -> object:
    if kind is bool:
        if text not in ("0", "1"):
            raise OptionError(f"{variable} is {text!r}. Set it to 1 or 0.")
        return text == "1"
    if kind is int:
        if not text.isdecimal():
            raise OptionError(f"{variable} is {text!r}. Set it to a whole number that is not negative.")
        return int(text)
    return Path(text).expanduser() if issubclass(kind, Path) else text
