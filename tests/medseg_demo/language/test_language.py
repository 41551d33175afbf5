import json
import re
import shutil
import subprocess

import pytest

from medseg_demo.language import LANGUAGES, Language, language, of_terminal, preferred, table

TABLE = {
    "Median": "中位数",
    "{1} of {2}": "共 {2}，第 {1}",
    "No image": "无图像",
    "{name} is in pixels. Give mm, or leave it out.": "{name}以像素为单位。请给出毫米，或省略。",
    "{1}: it cannot be read ({2}).": "{1}：无法读取（{2}）。",
    "it is truncated": "文件被截断",
    "Cases": "病例",
    "{1} case{2} failed": "{1} 个病例失败",
    "not for people": "",
    "plain words": "寻常话",
    "{1} files": "{1} 个文件",
    "Runs on {device}": "运行于 {device}",
    "{1} is better than {2} in {3}{4}.": "{1} 优于 {2}，指标为{3}{4}。",
    ": a few cases decide": "：由少数病例决定",
    "in {1} of {2} cases": "{2} 例中有 {1} 例",
    "; {1}, adjusted (Holm)": "；{1}，已校正（Holm）",
    "By {1} of {2}": "由 {1!}（{2!}）",
    "distance, 95th percentile": "距离，第 95 百分位",
}


@pytest.fixture
def zh() -> Language:
    return Language("zh", TABLE)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Median", "中位数"),
        (" Median\n", " 中位数\n"),
        ("3 of 7", "共 7，第 3"),
        ("a tale of two cities", "a tale of two cities"),  # a template of two letters takes figures alone
        ("x.nii is in pixels. Give mm, or leave it out.", "x.nii 以像素为单位。请给出毫米，或省略。"),
        ("a.png: it cannot be read (it is truncated).", "a.png：无法读取（文件被截断）。"),
        ("1 case failed", "1 个病例失败"),
        ("2 cases failed", "2 个病例失败"),
        ("No image; Median", "无图像；中位数"),
        ("not for people", "not for people"),
        ("Medians", "Medians"),
        ("24 no image", "24 no image"),
        ("24 plain words", "24 寻常话"),
        ("Plain words", "寻常话"),
        ("Plain words (seen by hand)", "寻常话（seen by hand）"),
        ("plain words.", "寻常话。"),
        ("7 files", "7 个文件"),
        ("Add your own files", "Add your own files"),  # few letters stand for figures or a word alone
        ("Runs on CPU, 2 threads", "运行于 CPU, 2 threads"),
        (
            "a is better than b in Median. In 3 of 7 cases; p = 0.2, adjusted (Holm).",
            "a 优于 b，指标为中位数。7 例中有 3 例；p = 0.2，已校正（Holm）。",
        ),  # no template takes several sentences
        ("a is better than b in Dice: a few cases decide.", "a 优于 b，指标为 Dice：由少数病例决定。"),
        ("By Median of Cases", "由 Median（Cases）"),  # {1!} is data
        ("distance, 95th percentile (px)", "距离，第 95 百分位（px）"),
        ("a (Median)", "a（中位数）"),
        ("- Median\n- no such words. Nor here\n", "- Median\n- no such words. Nor here\n"),  # lines stay lines
        ("", ""),
        ("…", "…"),
    ],
)
def test_sentence(zh: Language, said: str, expected: str) -> None:
    assert zh.text(said) == expected


def test_sentences_in_a_row_are_found_together_and_apart(zh: Language) -> None:
    together = "y is in pixels. Give mm, or leave it out."

    assert zh.text(f"{together} b.png: it cannot be read (x).") == (
        "y 以像素为单位。请给出毫米，或省略。b.png：无法读取（x）。"
    )


def test_a_word_that_scripts_do_not_show_is_translated_where_modules_say_it() -> None:
    assert table("zh", ".js")["Files"] == ""
    assert language("zh").text("Files") == table("zh", ".py")["Files"] != ""


def test_a_verdict_of_the_evaluation_leaves_no_english() -> None:
    said = language("zh").text(
        "No real difference between a and b was shown in Dice coefficient: a is better on average, but the test over "
        "all cases does not confirm it. Mean difference 0.100 (95 % interval 0.025 to 0.200); a is better in 4, equal "
        "in 8 and worse in 0 of 12 cases; p = 0.125, adjusted for the number of comparisons (Holm). 1 case left out as "
        "not applicable."
    )

    assert set(re.findall("[A-Za-z]{2,}", said)) == {"Dice", "Holm"}


def test_english_stays_as_it_is() -> None:
    assert language("en").text("Median") == "Median"
    assert language("en").html("<p>Median</p>") == "<p>Median</p>"
    assert language("xx").code == "en"


def test_markup_keeps_its_tags_names_and_code(zh: Language) -> None:
    markup = (
        '<p title="Median" class="Median">Median</p><b translate="no">Median</b><code>Median</code>'
        "<script>Median</script><i>No image</i>"
    )

    assert zh.html(markup) == (
        '<p title="中位数" class="Median">中位数</p><b translate="no">Median</b><code>Median</code>'
        "<script>Median</script><i>无图像</i>"
    )


def test_what_fills_a_sentence_stays_escaped(zh: Language) -> None:
    said = zh.html("<p>&lt;img src=x onerror=alert(1)&gt;: it cannot be read (&amp;).</p>")

    assert said == "<p>&lt;img src=x onerror=alert(1)&gt;：无法读取（&amp;）。</p>"


def test_long_data_is_no_sentence(zh: Language) -> None:
    data = "Median " * 10_000

    assert zh.text(data) == data


@pytest.mark.parametrize(
    ("accepted", "chosen", "code"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh"),
        ("zh-TW", "", "zh"),
        ("en-GB,zh;q=0.5", "", "en"),
        ("fr,de;q=0.5", "", "en"),
        ("fr,zh;q=0.5", "", "zh"),
        ("en", "zh", "zh"),
        ("zh", "en", "en"),
        ("", "../../etc", "en"),
        (";;;,,,", "", "en"),
    ],
)
def test_language_of_a_visitor(accepted: str, chosen: str, code: str) -> None:
    assert preferred(accepted, chosen).code == code


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "zh", "LANG": "de_DE"}, "zh"),
        ({}, "en"),
    ],
)
def test_language_of_a_terminal(variables: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert of_terminal().code == code


@pytest.mark.parametrize("suffix", [".py", ".js"])
@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_translations_use_the_placeholders_of_their_templates(code: str, suffix: str) -> None:
    def places(text: str) -> set[str]:
        return set(re.findall(r"\{(\w+)", text))

    assert {template: said for template, said in table(code, suffix).items() if places(said) - places(template)} == {}


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed; it runs the browser's translation")
def test_scripts_say_the_same_as_modules(zh: Language) -> None:
    said = [
        "Median",
        "3 of 7",
        "a tale of two cities",
        "2 cases failed",
        "not for people",
        "",
        "x is in pixels. Give mm, or leave it out.",
        "a is better than b in Median.",
        " Median",
    ]
    script = (
        Language("zh", TABLE).script_with(TABLE) + f";console.log(JSON.stringify({json.dumps(said)}.map(medsegSay)))"
    )

    found = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)

    assert json.loads(found.stdout) == [zh.text(each) for each in said]
