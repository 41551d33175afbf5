"""A folder → a repository of the Hugging Face Hub, and what it answers in words."""

from pathlib import Path
from typing import Literal

from medseg_demo.errors import OutputError
from medseg_demo.publishing.front_matter import About

REPLACED = ["medseg_demo/**", "evaluation/**", "checkpoints/**"]  # of an earlier push; what else lies there stays

NO_TOKEN = (
    "The Hub does not know who you are. Set HF_TOKEN to a token that may write, or run: hf auth login",
    "The Hub does not let this token write to {repository}. Make one that may write there, or choose another owner.",
)
ENDED = "The push to the Hub ended early ({kind}). Check the network and try again; what is there already stays."
NO_HARDWARE = (
    "The Hub does not let {owner} have a Space on {hardware}: {reason} Choose another --hardware. A page that needs no "
    "server can be shared by everybody: python -m medseg_demo export NAME... --format page"
)


def push(folder: Path, repository: str, *, kind: Literal["space", "model"], about: About, private: bool) -> str:
    """Make the repository where there is none, and put the folder's files into it in one commit.

    Args:
        folder: What to push.
        repository: As ``owner/name``.
        kind: Of repository.
        about: Its hardware, where it is a Space that is made.
        private: Whether one that is made can be seen by its owner alone.

    Returns:
        Its address.

    Raises:
        OutputError: The Hub refuses, or was not reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    hub = HfApi()
    try:
        is_new = not hub.repo_exists(repository, repo_type=kind)
        if is_new:
            made = {"space_sdk": "gradio", "space_hardware": about.hardware} if kind == "space" else {}
            hub.create_repo(repository, repo_type=kind, private=private, **made)  # type: ignore[arg-type]
        hub.upload_folder(
            repo_id=repository,
            repo_type=kind,
            folder_path=folder,
            commit_message="Publish with medseg-demo",
            delete_patterns=None if is_new or kind == "model" else REPLACED,
        )
    except LocalTokenNotFoundError:
        raise OutputError(NO_TOKEN[0]) from None
    except HfHubHTTPError as error:
        raise OutputError(_in_words(error, repository, about)) from None
    except Exception as error:  # of the library beneath, which the next version of the Hub's may exchange
        raise OutputError(ENDED.format(kind=type(error).__name__)) from error
    return f"{hub.endpoint}/{'spaces/' if kind == 'space' else ''}{repository}"


def _in_words(error: Exception, repository: str, about: About) -> str:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    reason = str(getattr(error, "server_message", None) or "").strip()
    if status == 401:
        return NO_TOKEN[0]
    if status == 402 or (status == 403 and "hardware" in reason.lower()):
        said = f"{reason.rstrip('.')}." if reason else "it needs another plan."
        return NO_HARDWARE.format(owner=repository.split("/")[0], hardware=about.hardware, reason=said)
    if status == 403:
        return NO_TOKEN[1].format(repository=repository)
    return f"The Hub refused {repository} ({status or 'no answer'}). {reason}".strip()
