import pytest
import torch

from medseg_demo.__main__ import main
from medseg_demo.errors import TrainingError
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import Settings
from medseg_demo.training import loop, train

SETTINGS = Settings(device="cpu", precision="float32")


@pytest.fixture
def spoil(monkeypatch):
    """Let something happen to the task at the start of an epoch."""

    def arm(epoch: int, change) -> None:
        start = loop.SegmentationTask.on_train_epoch_start

        def spoiling(self):
            start(self)
            if self.current_epoch + 1 == epoch:
                change(self)

        monkeypatch.setattr(loop.SegmentationTask, "on_train_epoch_start", spoiling)

    return arm


def infinite_gradient(task) -> None:
    next(task.network.parameters()).register_hook(lambda gradient: gradient * torch.inf)


def nan_in_a_statistic(task) -> None:
    # Of the moving average, which no step of the training reads.
    next(one for name, one in task.average.module.named_buffers() if name.endswith("running_mean")).fill_(torch.nan)


def too_large_for_half(task) -> None:
    # Before a normalisation, which takes the size away again: nothing but the saved file would suffer.
    task.average.module.get_parameter("encoder.model.conv1.0.weight").data.mul_(1e8)


def test_a_learning_rate_that_diverges_ends_with_2_and_leaves_nothing(discs, write_yaml, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    output = tmp_path / "checkpoints" / "out"
    config = write_yaml(learning_rate=1e30)
    assert main(["train", "--test-set", str(discs), "--config", str(config), "--output", str(output)]) == 2
    said = capsys.readouterr().err
    assert "Training diverged in epoch " in said
    assert "Lower learning_rate (1e+30)" in said
    assert [entry.name for entry in list_checkpoints(tmp_path / "checkpoints") if not entry.problem] == []
    assert not output.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (infinite_gradient, "norm of the gradient is (inf|nan)"),
        (nan_in_a_statistic, "running_mean holds NaN"),
        (too_large_for_half, "more than can be saved"),
    ],
)
def test_the_last_good_checkpoint_is_kept(discs, write_yaml, tmp_path, spoil, change, said):
    spoil(2, change)
    with pytest.raises(TrainingError, match=rf"diverged in epoch 2.*{said}.*batch was of d\d.*out keeps the best"):
        train(discs, write_yaml(), tmp_path / "out", settings=SETTINGS)
    assert load_folder(tmp_path / "out").card.training["best_epoch"] == 1
    assert not (tmp_path / "out" / "resume.ckpt").exists()


def test_the_cases_of_the_batch_are_named(discs, write_yaml, tmp_path, monkeypatch):
    step = loop.SegmentationTask.training_step

    def broken(self, batch, index):
        loss = step(self, batch, index)
        return loss * torch.nan if 3 in batch["case"] else loss

    monkeypatch.setattr(loop.SegmentationTask, "training_step", broken)
    with pytest.raises(TrainingError, match=r"the loss is nan\. The last batch was of [^.]*\bd3\b.*nothing is left"):
        train(discs, write_yaml(), tmp_path / "out", settings=SETTINGS)


def test_a_frozen_encoder_stays_as_it_was_given_and_learns_afterwards(discs, write_yaml, tmp_path, monkeypatch):
    first = train(discs, write_yaml(epochs=1, warmup_epochs=0), tmp_path / "first", settings=SETTINGS)
    seen = []
    end = loop.Keeper.on_train_epoch_end

    def looking(self, trainer, module):
        seen.append({name: one.clone() for name, one in module.network.state_dict().items()})
        end(self, trainer, module)

    monkeypatch.setattr(loop.Keeper, "on_train_epoch_end", looking)
    config = write_yaml(pretrained=str(first), freeze_epochs=1)
    train(discs, config, tmp_path / "second", settings=SETTINGS)
    given = load_folder(first).module.state_dict()
    encoder = [name for name in given if name.startswith("encoder.")]
    assert all(torch.equal(seen[0][name], given[name]) for name in encoder)
    assert any(not torch.equal(seen[0][name], given[name]) for name in given if name.startswith("decoder."))
    assert any(not torch.equal(seen[1][name], given[name]) for name in encoder)
