"""A repository of the Hugging Face Hub at one commit → a folder, under limits and without anything that is code."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from medseg_demo.errors import InvalidCheckpointError, UnknownCheckpointError

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
REVISION = re.compile(r"[\w.-][\w./-]{0,119}")
MIB = 2**20
MOST_FILES = 300
ANSWER_S = 20.0

WEIGHTS = (".safetensors", ".onnx", ".xml", ".pth", ".pt", ".ckpt", ".bin")
READ = (*WEIGHTS, ".json", ".md", ".data", ".yaml")
# State of a training that went on, other libraries' formats beside those that are read, and Python.
LEFT = re.compile(r"(^|/)(\.|optimizer|scheduler|rng_state|training_args|trainer_state|tf_model|flax_model)")

# (bytes that are there, bytes in all); what it raises ends the work
Progress = Callable[[int, int], None]


def fetch(
    repository: str,
    folder: Path,
    *,
    revision: str = "",
    most_mb: int,
    signed_in: bool = False,
    progress: Progress | None = None,
    endpoint: str | None = None,
) -> str:
    """Download what of a repository can be read as a checkpoint.

    Args:
        repository: As ``owner/name``.
        folder: Made if missing.
        revision: A branch, a tag or a commit; the main branch without one. It is settled once, to the commit that is
            returned, so that nobody can exchange a file meanwhile.
        most_mb: Of all files together, in MiB, which is asked before any is downloaded.
        signed_in: Whether the token of this computer's account is used, by which private repositories are seen.
        progress: Told about bytes.
        endpoint: Of the Hub; by default the one that the environment names.

    Returns:
        The commit.

    Raises:
        UnknownCheckpointError: It is not there, may not be read, or the Hub was not reached.
        InvalidCheckpointError: It holds no weights that are read, or too much.
    """
    from huggingface_hub import HfApi, hf_hub_download

    if not HUB_ID.fullmatch(repository) or ".." in repository:
        raise UnknownCheckpointError(
            f"{repository[:80]!r} is no repository of the Hub. Write it as owner/name, such as smp-hub/unet-lungs."
        )
    if revision and (not REVISION.fullmatch(revision) or ".." in revision):
        raise UnknownCheckpointError(f"{revision[:80]!r} is no revision. Write a branch, a tag or a commit.")
    token, bar = None if signed_in else False, _Told(progress)
    try:
        hub = HfApi(endpoint=endpoint)
        info = hub.model_info(
            repository, revision=revision or None, files_metadata=True, token=token, timeout=ANSWER_S
        )  # fmt: skip
        files = _wanted(info, repository, most_mb)
        commit = str(info.sha)
        bar.total = sum(files.values())
        for name in files:
            hf_hub_download(
                repository, name, revision=commit, local_dir=folder, token=token, endpoint=endpoint,
                tqdm_class=bar.of_a_file(),
            )  # fmt: skip
    except InvalidCheckpointError:
        raise
    except Exception as error:  # of the library, or of the one beneath, which its next version may exchange
        if error is bar.raised:
            raise
        raise _in_words(error, repository, revision) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return commit


def _wanted(info: "ModelInfo", repository: str, most_mb: int) -> dict[str, int]:
    """Names and bytes of the files to download: what is read, and of the same weights in two formats one.

    Raises:
        InvalidCheckpointError: There are no weights among them, too many files, or too many bytes.
    """
    present = {one.rfilename: int(one.size or 0) for one in info.siblings or ()}
    read = {name: size for name, size in present.items() if name.lower().endswith(READ) and not LEFT.search(name)}
    read = {name: size for name, size in read.items() if ".." not in name and not PurePosixPath(name).is_absolute()}
    if any(name.endswith(".safetensors") for name in read):
        read = {
            name: size for name, size in read.items() if not name.endswith((".bin", ".pt", ".pth", ".ckpt", ".onnx"))
        }
    if not any(name.lower().endswith(WEIGHTS) for name in read):
        raise InvalidCheckpointError(_no_weights(repository, list(present)))
    if len(read) > MOST_FILES:
        raise InvalidCheckpointError(
            f"{repository} holds {len(read)} files, more than the {MOST_FILES} that are downloaded. Download it by "
            "hand, and add the folder of one checkpoint."
        )
    size = sum(read.values()) / MIB
    if size > most_mb:
        raise InvalidCheckpointError(
            f"{repository} has {size:.0f} MiB, more than the {most_mb} MiB that are read, so nothing was downloaded. "
            "Choose a smaller one, or raise MEDSEG_MAX_FILE_MB."
        )
    return read


def _no_weights(repository: str, present: Sequence[str]) -> str:
    pickles = sorted(name for name in present if PurePosixPath(name).suffix.lower() in (".pkl", ".pickle", ".joblib"))
    if pickles:
        return (
            f"{repository} holds its weights as {pickles[0][:80]} alone, a program that would be executed here. Ask "
            "its owner for safetensors."
        )
    shown = ", ".join(name[:60] for name in sorted(present)[:5]) or "nothing"
    return (
        f"{repository} holds no weights that can be read here (there is: {shown}). Choose a repository with "
        "safetensors, ONNX or a state dict of PyTorch."
    )


def _in_words(error: Exception, repository: str, revision: str) -> UnknownCheckpointError:
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return UnknownCheckpointError(
            f"{repository} is given to those alone who accept its terms on the Hub. Do so there."
        )
    if isinstance(error, RepositoryNotFoundError):
        return UnknownCheckpointError(
            f"The Hub has no repository {repository} that can be read from here. Check the name; it may be private."
        )
    if isinstance(error, RevisionNotFoundError):
        return UnknownCheckpointError(
            f"{repository} has no revision {revision!r}. Leave it empty for the newest, or write a branch, tag or "
            "commit."
        )
    if isinstance(error, OfflineModeIsEnabled):
        return UnknownCheckpointError(
            "This computer was told to work offline (HF_HUB_OFFLINE). Upload the checkpoint's files instead."
        )
    if isinstance(error, OSError) and error.errno == 28:
        return UnknownCheckpointError("There is no room for the download. Choose a smaller checkpoint, or try later.")
    return UnknownCheckpointError(
        f"The Hub did not give {repository} ({type(error).__name__}). Check the network, or upload the checkpoint's "
        "files."
    )


class _Told:
    """Tells how many bytes of all files are there; whatever that raises ends the download.

    Attributes:
        total: Bytes of all files.
        raised: What was raised, so that it is known from errors of the library.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._seen = progress, 0
        self.total = 0
        self.raised: BaseException | None = None

    def add(self, count: int) -> None:
        """Note that so many bytes more are there."""
        self._seen = min(self.total, self._seen + count)
        try:
            if self._progress is not None:
                self._progress(self._seen, self.total)
        except BaseException as error:
            self.raised = error
            raise

    def of_a_file(self) -> type:
        """A bar of tqdm, as the library wants one, that shows nothing and tells this."""
        from tqdm import tqdm

        told = self

        class Bar(tqdm):
            def __init__(self, *args: Any, **options: Any) -> None:
                options.pop("name", None)
                super().__init__(*args, **{**options, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                told.add(int(n or 0))
                return None

        return Bar
