import pytest

from medseg_demo.__main__ import main


@pytest.fixture
def publish(settings, monkeypatch, capsys):
    """Run the command: its exit code, and what it prints and complains."""
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(settings.checkpoints_dir))

    def run(*arguments):
        code = main(["publish", *arguments])
        return (code, *capsys.readouterr())

    return run


def test_a_space_is_made_and_replaced(publish, hub):
    code, out, _ = publish("own", "--space", "me/demo", "--private")
    assert code == 0
    assert "Published: http://127.0.0.1" in out
    assert "/spaces/me/demo" in out
    (made,) = hub.made
    assert (made["type"], made["sdk"], made["hardware"]) == ("space", "gradio", "zero-a10g")
    assert made.get("private") or made.get("visibility") == "private"
    files = hub.repositories["me/demo"]
    assert {"app.py", "README.md", "checkpoints/own/model.safetensors", "notes.txt"} <= files.keys()
    assert publish("--space", "me/demo", "--checkpoint", "lungs-unet-tiny")[0] == 0
    assert "checkpoints/own/model.safetensors" not in files
    assert {"checkpoints/lungs-unet-tiny/model.safetensors", "notes.txt"} <= files.keys()
    assert len(hub.made) == 1
    assert {token for path, token in hub.asked if "me/demo" in path} == {"Bearer hf_of_a_test"}


def test_a_checkpoint_is_made_a_model(publish, hub):
    code, out, _ = publish("own", "--to", "me/bright")
    assert code == 0
    assert out.startswith("Model me/bright: 5 files")
    assert hub.made[0]["type"] == "model"
    assert {"model.safetensors", "config.json", "medseg.json", "README.md"} <= hub.repositories["me/bright"].keys()


def test_a_dry_run_lists_and_does_nothing(publish, hub):
    code, out, _ = publish("own", "--space", "me/demo", "--dry-run")
    assert code == 0
    assert "checkpoints/own/model.safetensors" in out
    assert out.splitlines()[-2].startswith("Space me/demo: ")
    assert "MiB (" in out
    assert out.splitlines()[-1] == "Nothing was written or pushed."
    assert hub.asked == []


def test_a_folder_is_written_in_place_of_a_push(publish, hub, tmp_path):
    code, out, _ = publish("own", "--checkpoint", "lungs-unet-tiny", "--output", str(tmp_path / "space"))
    assert code == 0
    assert out.startswith("Space in space: ")
    written = {path.name for path in (tmp_path / "space" / "checkpoints").iterdir()}
    assert written == {"own", "lungs-unet-tiny"}
    assert hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--space", "me/demo"], "No checkpoint was named"),
        (["own"], "Where to?"),
        (["own", "--space", "demo"], "'demo' is no repository"),
        (["own", "--space", "me/demo", "--to", "me/net"], "two repositories"),
        (["own", "lungs-unet-tiny", "--to", "me/net"], "of one checkpoint, but 2 are named"),
        (["nothing", "--space", "me/demo"], "'nothing' does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused(publish, hub, arguments, words):
    code, _, complaint = publish(*arguments)
    assert code == 2
    assert words in complaint
    assert hub.asked == []


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (401, "Invalid credentials", "hf auth login"),
        (
            402,
            "Subscribe to PRO to host this",
            "zero-a10g: Subscribe to PRO to host this. Choose another",
        ),
        (403, "You don't have the rights", "does not let this token write to me/demo"),
        (400, "Bad front matter", "refused me/demo (400). Bad front matter"),
    ],
)
def test_what_the_hub_refuses_is_told_in_words(publish, hub, status, reason, words):
    hub.refusal = status, reason
    code, _, complaint = publish("own", "--space", "me/demo")
    assert code == 2
    assert words in complaint


def test_a_hub_that_is_not_reached_is_a_sentence(publish, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    code, _, complaint = publish("own", "--space", "me/demo")
    assert code == 2
    assert "ended early (Connect" in complaint


def test_without_a_token_it_says_how_to_log_in(publish, hub, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.refusal = 401, "Invalid username or password"
    code, _, complaint = publish("own", "--space", "me/demo")
    assert code == 2
    assert "hf auth login" in complaint
