import time
from types import SimpleNamespace

import pytest

from medseg_demo.errors import OptionError
from medseg_demo.ui.public.login import hub_page, hub_user, read_accounts


def test_a_password_is_the_first_line_of_a_file(tmp_path):
    (tmp_path / "one").write_text("correct horse\nnot this\n")
    (tmp_path / "two").write_text("  another secret ")
    given = [f"anna:{tmp_path / 'one'}", f"ben:{tmp_path / 'two'}"]
    assert read_accounts(given) == [("anna", "correct horse"), ("ben", "another secret")]


@pytest.mark.parametrize(
    ("given", "words"), [("anna", "USER:FILE"), (":file", "USER:FILE"), ("a:/none", "cannot be read")]
)
def test_what_is_no_account_is_refused(given, words):
    with pytest.raises(OptionError, match=words):
        read_accounts([given])


@pytest.mark.parametrize("password", ["", "short", "\nsecond line"])
def test_a_short_password_is_refused_without_being_told(tmp_path, password):
    (tmp_path / "file").write_text(password)
    with pytest.raises(OptionError, match="fewer than 8") as refused:
        read_accounts([f"anna:{tmp_path / 'file'}"])
    assert "short," not in str(refused.value)


@pytest.mark.parametrize(
    ("info", "user"),
    [
        ({}, None),
        ({"oauth_info": {"expires_at": time.time() + 10**6, "userinfo": {"preferred_username": "anna"}}}, "anna"),
        ({"oauth_info": {"expires_at": time.time() - 60, "userinfo": {"preferred_username": "anna"}}}, None),
        ({"oauth_info": {"userinfo": {"preferred_username": "anna"}}}, None),
        ({"oauth_info": {"expires_at": time.time() + 10**6, "userinfo": {}}}, None),
    ],
)
def test_a_login_of_the_hub_holds_until_it_expires(info, user):
    assert hub_user(SimpleNamespace(session=info)) == user


def test_the_page_before_the_login_opens_the_hub_beside_it():
    answer = hub_page()
    assert answer.status_code == 401
    assert b'href="login/huggingface" target="_blank"' in answer.body
