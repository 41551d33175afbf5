"""The README of a Space and of a model on the Hub: the front matter that the Hub reads, and what people read.

Source: Hugging Face, "Spaces Configuration Reference" and "Model Cards".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medseg_demo.models.card import ModelCard

GRADIO = "6.31.0"  # that the tests ran with
PYTHON = "3.12"  # that a lent GPU has
SUMMARY = "Try segmentation checkpoints on medical images"  # of at most 60 characters
TAGS = ["medical-imaging", "image-segmentation", "dicom", "nifti", "pytorch"]
DISCLAIMER = "For research and teaching. It is no medical device, and no decision about a patient may rest on it."

SPACE = """# {title}

Drop a medical image or a volume into the page and get a label map, an overlay, measurements and files; compare
checkpoints on it; score them on test sets with statistics.

{disclaimer}

## Checkpoints

{checkpoints}

## What happens to images

They are processed on the machine of this Space and deleted when the page is closed, an hour later at most. It is a
computer of somebody else: give no images of patients who have not agreed, and none with names in them.

Made by medseg-demo, `python -m medseg_demo publish`.
"""

MODEL_USE = """## Use

```python
from medseg_demo import load_checkpoint, read_image, segment

result = segment(read_image("image.png"), load_checkpoint("{repository}"))
```

`medseg.json` says how an image reaches the network.
"""


# What the Hub calls the libraries that read a checkpoint of each origin.
LIBRARIES = {
    "segmentation-models-pytorch": "segmentation-models-pytorch",
    "OpenVINO": "openvino",
    "ONNX": "onnx",
    "MONAI bundle": "monai",
    "nnU-Net v2": "nnunet",
    "transformers": "transformers",
}


@dataclass(frozen=True)
class About:
    """What the front matter says besides what is known.

    Attributes:
        title: For people; empty for one from the tasks.
        licence: As the Hub calls it, such as "apache-2.0"; empty for the code's own in a Space, for none of a model.
        hardware: That a Space is made on, such as "zero-a10g" or "cpu-basic".
        sign_in: Whether visitors sign in to Hugging Face.
        repository: Where it goes, as ``owner/name``.
        dataset: Of the Hub, on which the scores of a model were measured; empty where it is not there.
    """

    title: str = ""
    licence: str = ""
    hardware: str = "zero-a10g"
    sign_in: bool = False
    repository: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class Described:
    """A checkpoint as a README tells of it.

    Attributes:
        name: Its name, or ``owner/name`` of the Hub.
        card: Its model card.
        architecture: In words.
        readme: Its own text, in Markdown.
        origin: What its folder is of.
        picture: Of a packaged sample of its task, as its file is called in the repository; empty where there is none.
    """

    name: str
    card: ModelCard
    architecture: str
    readme: str
    origin: str = ""
    picture: str = ""


def space_readme(about: About, checkpoints: Sequence[Described]) -> str:
    """The README of a Space with these checkpoints."""
    from huggingface_hub import SpaceCardData

    tasks = list(dict.fromkeys(one.card.task for one in checkpoints))
    title = about.title or f"Medical image segmentation: {tasks[0]}" + (", …" if len(tasks) > 1 else "")
    extra: dict[str, Any] = {"hf_oauth": True} if about.sign_in else {}
    data = SpaceCardData(
        title=title,
        sdk="gradio",
        sdk_version=GRADIO,
        python_version=PYTHON,
        app_file="app.py",
        license=about.licence or "apache-2.0",
        models=[one.name for one in checkpoints if "/" in one.name] or None,
        tags=TAGS,
        emoji="🫁",
        colorFrom="blue",
        colorTo="green",
        short_description=SUMMARY,
        suggested_hardware=about.hardware,
        **extra,
    )
    listed = "\n".join(f"- **{one.name}**: {one.card.task} ({one.architecture}).{_sources(one)}" for one in checkpoints)
    return _with_front_matter(data, SPACE.format(title=title, disclaimer=DISCLAIMER, checkpoints=listed))


def model_readme(about: About, checkpoint: Described) -> str:
    """The README of a checkpoint as a model of the Hub: its own, with what the Hub reads before it."""
    from huggingface_hub import ModelCardData

    card, name = checkpoint.card, about.repository.rpartition("/")[2] or checkpoint.name
    data = ModelCardData(
        license=about.licence or None,
        library_name=LIBRARIES.get(checkpoint.origin),
        pipeline_tag="image-segmentation",
        tags=TAGS,
        model_name=name,
        eval_results=list(_eval_results(checkpoint)) or None,
        **_widget(about, checkpoint),
    )
    own = checkpoint.readme.partition("\n---\n")[2] if checkpoint.readme.startswith("---\n") else checkpoint.readme
    own = own.strip() or f"# {about.title or name}\n\n{card.task}.\n\n{DISCLAIMER}"
    use = MODEL_USE.format(repository=about.repository or name)
    return _with_front_matter(data, f"{own}\n\n{use}")


def score_document(about: About, checkpoint: Described) -> bytes:
    """Its scores on a data set of the Hub, for its leaderboard (``.eval_results``); empty where there are none."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not about.dataset:
        return b""
    scores = _mean_dice(checkpoint)
    entries = [EvalResultEntry(about.dataset, split, dice, notes="mean Dice of the cases") for split, dice in scores]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False).encode() if entries else b""


def _widget(about: About, checkpoint: Described) -> dict[str, Any]:
    if not (checkpoint.picture and about.repository):
        return {}
    address = f"https://huggingface.co/{about.repository}/resolve/main/{checkpoint.picture}"
    return {"widget": [{"src": address, "example_title": checkpoint.card.task}]}


def _mean_dice(checkpoint: Described) -> Iterator[tuple[str, float]]:
    for split, figures in checkpoint.card.scores.items():
        if isinstance(figures, Mapping) and isinstance(figures.get("dice_mean"), float):
            yield split, figures["dice_mean"]


def _eval_results(checkpoint: Described) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    sources = checkpoint.card.training_data
    for split, dice in _mean_dice(checkpoint):
        yield EvalResult(
            task_type="image-segmentation",
            dataset_type=sources[0].name if sources else "own",
            dataset_name=f"{checkpoint.card.task}, split {split}",
            dataset_split=split,
            metric_type="dice",
            metric_name="mean Dice of the cases",
            metric_value=dice,
        )


def _sources(checkpoint: Described) -> str:
    sources = [f"{one.name} ({one.licence}; {one.credit})" for one in checkpoint.card.training_data]
    return f" Trained on: {'; '.join(sources)}." if sources else ""


def _with_front_matter(data: Any, text: str) -> str:
    return f"---\n{data.to_yaml()}\n---\n\n{text}"
