"""A Space as ``publish`` writes it, started where a GPU is lent by a stand-in: every tab and endpoint once."""

import pytest

import app
from medseg_demo.publishing.contents import space_contents, write_contents
from medseg_demo.publishing.front_matter import About
from medseg_demo.samples import sample_path
from medseg_demo.settings import ROOT, Settings

pytestmark = pytest.mark.slow

CHECKPOINTS = ("lungs-unet-lite0", "lungs-unet-tiny-int8", "nuclei-unet-tiny")
NAMES = ["lungs-unet-lite0", "lungs-unet-tiny-int8"]
TABS = {"Compare": "regions differ", "Evaluate": "nuclei-unet-tiny", "Models": "Trained on", "Segment": "41."}


@pytest.fixture(scope="module")
def space(serve, tmp_path_factory):
    """The address of a Space on lent GPUs; each visitor has a share of 20 seconds."""
    folder, home = tmp_path_factory.mktemp("space"), tmp_path_factory.mktemp("home")
    write_contents(space_contents(CHECKPOINTS, About(), Settings()), folder)
    environment = {
        "SYSTEM": "spaces",
        "SPACE_ID": "owner/name",
        "SPACES_ZERO_GPU": "true",  # in Gradio's eyes no other value lends one
        "STAND_IN_SHARE_S": "20",
        "STAND_IN_CALL_S": "3",
        "MEDSEG_MAX_UPLOADS_A_MINUTE": "600",
        "MEDSEG_DEVICE": "auto",
        "PYTHONPATH": str(ROOT / "tests" / "stand_ins"),
        "HOME": str(home),
        "OMP_NUM_THREADS": "1",
    }
    with serve(folder=folder, **environment) as address:
        yield address


@pytest.fixture(scope="module")
def client(space):
    gradio_client = pytest.importorskip("gradio_client")
    return gradio_client.Client(space, verbose=False)


@pytest.fixture
def image():
    from gradio_client import handle_file

    return handle_file(sample_path("chest-xray"))


def test_the_gpu_is_lent_until_the_share_does_not_suffice(client, image):
    for _ in range(30):
        _, measured = client.predict(image, "lungs-unet-lite0", api_name="/segment")
        refused = [note for note in measured["notes"] if "your share of the GPU for today" in note]
        if refused:
            break
        assert "PyTorch" in measured["compute"]  # the worker's; this process has OpenVINO
        assert measured["classes"][0]["pixels"] > 0
    assert refused
    assert "OpenVINO" in measured["compute"]
    assert measured["classes"][0]["pixels"] > 0


def test_checkpoints_are_compared(client, image):
    _, comparison = client.predict(image, NAMES, api_name="/compare")
    assert [member["name"] for member in comparison["members"]] == NAMES


def test_checkpoints_are_listed_and_evaluated(client):
    listed = client.predict(api_name="/checkpoints")
    assert {one["name"] for one in listed if one["usable"]} == set(CHECKPOINTS)
    scores, _ = client.predict(["nuclei-unet-tiny"], "simulated-nuclei", api_name="/evaluate")
    assert {row["status"] for row in scores["rows"]} == {"ok"}


def test_events_wait_where_a_gpu_is_lent_as_elsewhere(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert app.build_app(Settings())._queue.max_size is None


@pytest.mark.browser
def test_every_tab_opens_and_no_request_leaves_the_host(space, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(space)
    page.get_by_text("a GPU lent for seconds of your daily share").wait_for()
    for tab, text in TABS.items():
        page.get_by_role("tab", name=tab, exact=True).click()
        page.get_by_role("tabpanel").get_by_text(text).filter(visible=True).first.wait_for()
    assert [url for url in asked if not url.startswith((space, "data:", "blob:"))] == []
