"""What a visitor does on the Evaluate tab, in a real browser."""

import json
import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def choose(page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).first.click()
    page.get_by_role("option", name=re.compile(option)).first.click()
    page.keyboard.press("Escape")


def test_a_volume_case_is_scrolled_in_linked_panes(page, url, volumes_run):
    page.goto(url)
    page.get_by_role("tab", name="Evaluate").click()
    expect(page.locator("#ev-leaderboard")).to_contain_text("lungs")
    choose(page, "Runs", "volumes-run")
    page.locator("#ev-test-set input").click()
    page.get_by_role("option", name="volumes", exact=True).click()
    page.locator("#ev-cases").get_by_role("button", name="volume_0").first.click()
    viewer = page.locator("#ev-viewer")
    expect(viewer.locator("canvas:visible").nth(1)).to_be_visible()
    expect(viewer).to_contain_text("near")
    place = viewer.get_by_text(re.compile(r"^\d+ / 10$")).first
    before = place.inner_text()
    viewer.locator("canvas").first.click()
    page.keyboard.press("ArrowUp")
    expect(place).not_to_have_text(before)
    expect(viewer.get_by_role("button", name="Errors", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("j")
    expect(page.locator("#ev-case-head h2")).to_have_text("volume_1")


def test_run_then_a_click_on_a_point_opens_that_very_case(page, url):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.get_by_role("tab", name="Evaluate").click()
    expect(page.locator("#ev-leaderboard")).to_contain_text("lungs")
    choose(page, "Test sets", "squares")
    choose(page, "Checkpoints", "small")
    page.locator("#ev-run").click()
    expect(page.locator("#ev-status")).to_contain_text("cases are scored", timeout=120_000)
    expect(page.locator("#ev-leaderboard")).to_contain_text("squares")
    point = page.locator("#ev-plot .scatterlayer .points path").nth(2)
    point.wait_for()
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # What the label at the pointer names is what a click must open.
    label = page.locator("#ev-plot .hoverlayer .hovertext").first
    expect(label).to_contain_text(re.compile(r"case_\d\d"))
    named = re.search(r"case_\d\d", label.text_content()).group()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#ev-viewer canvas")
    expect(page.locator("#ev-case-head h2")).to_have_text(named)
    assert json.loads(page.locator("[data-case]").get_attribute("data-case")) == ["squares", "small", named]
    expect(page.locator("#ev-cases tr.ev-open button")).to_have_text(named)
    page.keyboard.press("j")
    expect(page.locator("#ev-case-head h2")).not_to_have_text(named)
    page.keyboard.press("Escape")
    page.locator("#ev-drawer").wait_for(state="hidden")
    assert [one for one in asked if not one.startswith((url, "data:", "blob:"))] == []


def test_back_and_a_reload_find_the_tab_the_run_and_the_case(page, url, squares_run):
    page.goto(url)
    expect(page.locator("#ms-segment")).to_be_visible()
    page.get_by_role("tab", name="Evaluate").click()
    expect(page).to_have_url(f"{url}?run=lungs")
    choose(page, "Runs", "squares-run")
    both = f"{url}?run=lungs%2Csquares-run&set="
    expect(page).to_have_url(f"{both}lungs")
    page.locator("#ev-test-set input").click()
    page.get_by_role("option", name="squares", exact=True).click()
    expect(page).to_have_url(f"{both}squares")
    page.locator("#ev-cases").get_by_role("button", name="case_01").first.click()
    expect(page).to_have_url(f"{both}squares&case=case_01&checkpoint=net")
    page.reload()
    expect(page.locator("#ev-case-head h2")).to_have_text("case_01")
    page.go_back()
    expect(page.locator("#ev-drawer")).to_be_hidden()
    expect(page.locator("#ev-leaderboard")).to_contain_text("squares")
    page.go_back()  # a test set is changed in place: one step leads to the runs of before
    expect(page.locator("#ev-leaderboard")).to_contain_text("lungs")
    expect(page).to_have_url(f"{url}?run=lungs")
    page.go_back()
    expect(page.locator("#ms-segment")).to_be_visible()
    expect(page).to_have_url(url)
    page.go_forward()
    expect(page.locator("#ev-leaderboard")).to_be_visible()
    expect(page).to_have_url(f"{url}?run=lungs")


def test_a_tag_that_is_typed_is_found_by_a_filter_that_is_pasted(page, url):
    page.goto(url + "?tab=evaluate")
    cases = page.locator("#ev-cases")
    cases.locator("tbody tr").first.click()
    expect(page.locator("#ev-tags input")).to_be_visible()
    page.locator("#ev-tags input").click()
    page.keyboard.type("hard")
    page.keyboard.press("Enter")
    expect(cases.locator("thead")).to_contain_text("tags")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#ev-drawer")).to_be_hidden()
    page.get_by_label("Filter").fill("tag = hard")
    expect(cases).to_contain_text("2 of ")
