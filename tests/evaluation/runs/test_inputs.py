import errno
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from evaluation.errors import CaseError, PassingCaseError
from evaluation.runs import inputs
from evaluation.runs.inputs import fetched, is_address, read_remote_test_set
from evaluation.runs.preflight import read_test_sets
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.settings import Settings
from medseg_demo.test_sets.test_set import read_test_set


@pytest.fixture
def remote(make_test_set):
    """A folder of three cases, and the address of the same in memory."""
    folder, system = make_test_set(cases=3), fsspec.filesystem("memory")
    (folder / "cases.csv").write_text("case_id,site\ncase_00,A\ncase_01,B\ncase_02,A\n")
    system.put(str(folder), "/data/squares", recursive=True)
    yield folder, "memory://data/squares"
    system.rm("/data", recursive=True)


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache", device="cpu", precision="float32", threads=1)


def held(settings):
    return list((settings.cache_dir / inputs.FOLDER).iterdir())


def test_a_test_set_is_read_as_its_folder_is_without_fetching_images(remote, settings):
    folder, address = remote
    here, there = read_test_set(folder), read_remote_test_set(address)
    assert (there.name, there.class_names) == (here.name, here.class_names)
    assert [(case.case_id, case.metadata) for case in there.cases] == [(c.case_id, c.metadata) for c in here.cases]
    assert {case.address for case in there.cases} == {address}
    assert not (settings.cache_dir / inputs.FOLDER).exists()


def test_a_run_of_an_address_gives_the_table_of_its_folder(remote, brightness, settings, tmp_path):
    for name, place in zip(("here", "there"), remote, strict=True):
        options = RunOptions(workers=0)
        run(read_test_sets([place]), [brightness], tmp_path / name, options=options, settings=settings)
    tables = [(tmp_path / name / "scores.csv").read_bytes() for name in ("here", "there")]
    assert tables[0] == tables[1]


def test_files_are_those_of_the_address_while_they_are_used(remote, settings):
    folder, address = remote
    with fetched(read_remote_test_set(address).cases[1], settings) as case:
        assert case.mask_path.read_bytes() == (folder / "masks" / "case_01.png").read_bytes()
        used = case.image_path
    assert not used.exists()


def test_what_was_not_used_for_longest_goes_first(remote, settings, monkeypatch):
    folder, address = remote
    size = sum(path.stat().st_size for path in folder.glob("*/case_0[01].png"))
    monkeypatch.setattr(inputs, "MOST_BYTES", size)
    for case in read_remote_test_set(address).cases:
        with fetched(case, settings) as own:
            assert own.image_path.is_file()
    assert sum(path.stat().st_size for path in held(settings)) <= size
    newest = (folder / "masks" / "case_02.png").read_bytes()
    assert newest in [path.read_bytes() for path in held(settings)]


def test_a_file_that_was_replaced_is_fetched_again(remote, settings):
    folder, address = remote
    case = read_remote_test_set(address).cases[0]
    with fetched(case, settings):
        pass
    content = (folder / "masks" / "case_01.png").read_bytes() + b" "
    fsspec.filesystem("memory").pipe("/data/squares/masks/case_00.png", content)
    with fetched(case, settings) as own:
        assert own.mask_path.read_bytes() == content


def test_a_file_that_is_gone_and_a_full_disk_name_the_case(remote, settings, monkeypatch):
    case = read_remote_test_set(remote[1]).cases[0]
    gone = replace(case, mask_path=Path("masks/other.png"))
    with pytest.raises(CaseError, match=r"Case 'case_00': other\.png is not at its address"), fetched(gone, settings):
        pass

    def fill(*arguments):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(inputs, "_fetch", fill)
    with pytest.raises(PassingCaseError, match="disk is full"), fetched(case, settings):
        pass


def test_addresses_that_cannot_be_used_are_refused():
    assert is_address("s3://bucket/set")
    assert not is_address("folder/set")
    with pytest.raises(OptionError, match="nosuch"):
        read_remote_test_set("nosuch://bucket/set")
    with pytest.raises(TestSetError, match="no folder images or masks"):
        read_remote_test_set("memory://nothing/here")
