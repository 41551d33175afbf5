"""The Evaluate tab as axe sees it: a run, and a case in the drawer."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_run_and_a_case_in_the_drawer(page, url, theme, volumes_run, serious_faults):
    page.goto(f"{url}?__theme={theme}")
    page.get_by_role("tab", name="Evaluate").click()
    playwright.expect(page.locator("#ev-leaderboard")).to_contain_text("lungs")
    page.get_by_label("Runs", exact=True).first.click()
    page.get_by_role("option", name=re.compile("volumes-run")).first.click()
    page.keyboard.press("Escape")
    page.locator("#ev-test-set input").click()
    page.get_by_role("option", name="volumes", exact=True).click()
    playwright.expect(page.locator("#ev-plot svg").first).to_be_visible()
    assert serious_faults() == {}
    page.locator("#ev-cases").get_by_role("button", name="volume_0").first.click()
    playwright.expect(page.locator("#ev-viewer canvas:visible").nth(1)).to_be_visible()
    assert serious_faults() == {}
