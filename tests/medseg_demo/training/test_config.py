import pytest

from medseg_demo.errors import TrainingError
from medseg_demo.training.config import TrainingConfig, read_config, write_config


def test_what_is_written_is_read_again(tmp_path, write_yaml):
    config = read_config(write_yaml(seed=7, window=[-100.0, 200.0]))
    write_config(config, tmp_path / "training.yaml")
    assert read_config(tmp_path / "training.yaml") == config
    assert config.seed == 7
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_defaults_are_a_valid_configuration():
    assert TrainingConfig().average == 0.99


def test_all_faults_are_named(write_yaml):
    path = write_yaml(epochs=0, learning_rate="fast", flips=True, augmentation={"rotate": 3}, loss={"dice": -1})
    with pytest.raises(TrainingError) as error:
        read_config(path)
    for key in ("epochs", "learning_rate", "flips", "augmentation.rotate", "loss.dice"):
        assert key in str(error.value)
    assert str(error.value).startswith("config.yaml is no valid training configuration")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"input_size": [100, 128]}, "multiples of 32"),
        ({"input_size": [32, 64], "augmentation": {"quarter_turns": 0.5}}, "needs a square input_size"),
        ({"val_split": "train"}, "choose on other cases"),
        ({"loss": {"dice": 0, "cross_entropy": 0}}, "both 0"),
        ({"pretrained": "imagenet"}, "pypi:<package>, hub and null"),
        ({"warmup_epochs": 2}, "fewer than the 2 epochs"),
        ({"epochs": 3, "validate_every": 2}, "multiple of validate_every"),
        ({"augmentation": {"gamma": [2.0, 1.0]}}, "must not lie over"),
        ({"normalisation": {"method": "window", "mean": [0.5], "std": [0]}}, "normalisation.std"),
    ],
)
def test_contradictions_are_refused(write_yaml, changes, part):
    with pytest.raises(TrainingError, match=part):
        read_config(write_yaml(**changes))


@pytest.mark.parametrize(
    "content", [b"", b"- a\n", b"a: [1\n", b"\xff\xfe", b"!!python/object/apply:os.getcwd []\n", b"[" * 10**5]
)
def test_files_that_are_no_configuration(tmp_path, content):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"broken\.yaml"):
        read_config(path)


def test_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(TrainingError) as error:
        read_config(tmp_path / "none.yaml")
    assert str(error.value).startswith("none.yaml cannot be read (No such file")
    assert str(tmp_path) not in str(error.value)


def test_a_3d_configuration_is_read(write_volume_yaml):
    config = read_config(write_volume_yaml())
    assert (config.input_size, config.spacing_mm, config.augmentation.flip_depth) == (
        (16, 16, 16),
        (1.0, 1.0, 1.0),
        0.5,
    )


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"input_size": [16, 16]}, r"needs 3 values for the 3-D MonaiUNet"),
        ({"architecture": "Unet", "network": {}}, r"needs 2 values for the 2-D Unet"),
        ({"spacing_mm": [1.0, 1.0]}, r"spacing_mm \[1.0, 1.0\] needs 3 values"),
        ({"pretrained": "hub"}, "encoder of smp, not MonaiUNet"),
        ({"input_size": [16, 16, 32], "augmentation": {"quarter_turns": 0.5}}, "square input_size"),
    ],
)
def test_contradictions_in_3d_are_refused(write_volume_yaml, changes, part):
    with pytest.raises(TrainingError, match=part):
        read_config(write_volume_yaml(**changes))


def test_images_have_no_depth_to_flip(write_yaml):
    with pytest.raises(TrainingError, match="flip_depth is for 3-D"):
        read_config(write_yaml(augmentation={"flip_depth": 0.5}))
