import json

import gradio as gr
import pytest
from gradio_client import Client
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from medseg_demo.language import COOKIE
from medseg_demo.ui.language import AskedLanguage, SpokenPage

CHINESE = {"accept-language": "zh-CN,zh;q=0.9"}


def respond(name: str) -> tuple[str, dict]:
    if name == "bad":
        raise gr.Error("No image yet", print_exception=False)
    return "<p>Median</p><b translate='no'>x</b>", gr.update(choices=["Median", ("Other", "Mean")], value="Mean")


@pytest.fixture(scope="module")
def address():
    with SpokenPage(title="Medical image segmentation") as page:
        name = gr.Textbox("Median", label="Checkpoint")
        shown = gr.HTML("<p>Median</p>")
        choice = gr.Dropdown(["Median", "Mean"], label="Metric", info="Median")
        gr.Button("Stop").click(respond, name, [shown, choice], api_name="respond")
    _, url, _ = page.launch(
        prevent_thread_lock=True, quiet=True, app_kwargs={"middleware": [Middleware(AskedLanguage)]}
    )
    yield page, url
    page.close(verbose=False)


@pytest.fixture
def client(address):
    return TestClient(address[0].app, base_url=address[1])


def props(config: dict, kind: str) -> dict:
    return next(one["props"] for one in config["components"] if one["type"] == kind)


def test_the_page_is_in_the_language_of_the_browser(client):
    config = client.get("/config", headers=CHINESE).json()

    assert config["title"] == "医学图像分割"
    assert props(config, "button")["value"] == "停止"
    assert props(config, "html")["value"] == "<p>中位数</p>"
    assert props(config, "textbox") | {"label": "检查点", "value": "Median"} == props(config, "textbox")
    choice = props(config, "dropdown")
    assert (choice["label"], choice["info"], choice["value"]) == ("指标", "中位数", "Median")
    assert choice["choices"][0] == ["中位数", "Median"]


def test_languages_do_not_mix(client):
    assert client.get("/config", headers=CHINESE).json()["title"] == "医学图像分割"
    assert client.get("/config").json()["title"] == "Medical image segmentation"
    assert client.get("/config", headers=CHINESE | {"cookie": f"{COOKIE}=en"}).json()["title"].startswith("Medical")
    assert client.get("/config", headers={"cookie": f"{COOKIE}=zh"}).json()["title"] == "医学图像分割"


def test_the_document_names_its_language(client):
    page = client.get("/", headers=CHINESE).text

    assert 'lang="zh-CN"' in page
    assert '"zh-CN"' in page.partition("<head>")[2][:200]
    assert 'lang="zh-CN"' not in client.get("/").text


def test_what_events_send_is_translated_and_values_stay(address):
    spoken = Client(address[1], headers=CHINESE, verbose=False)
    html, choice = spoken.predict("x", api_name="/respond")

    assert html == "<p>中位数</p><b translate='no'>x</b>"
    assert choice["value"] == "Mean"
    assert [list(one) for one in choice["choices"]] == [["中位数", "Median"], ["Other", "Mean"]]

    plain = Client(address[1], verbose=False)
    assert plain.predict("x", api_name="/respond")[0].startswith("<p>Median</p>")


def test_errors_are_translated(address):
    with pytest.raises(Exception, match="尚无图像") as refused:
        Client(address[1], headers=CHINESE, verbose=False).predict("bad", api_name="/respond")
    assert "No image" not in json.dumps(str(refused.value))
