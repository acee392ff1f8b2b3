"""The page of a report in a browser: nothing fails, the film plays, one cursor moves everything, tables sort."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.agents.watching.report.pages import page_of, registered
from tests.toys.pictures import EPISODE_STEPS, FPS
from tests.trainings import moment_in, trained_quietly

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        trained_quietly(replace(moment_in(registered()), run_dir=folder / name, seed=seed))
        for name, seed in (("b", 1), ("a", 2))
    ]
    page_of(*runs, output=folder / "page.html", episodes=4)
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=[(1200, 900, "light"), (390, 844, "dark")], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, written: Path) -> Iterator[Any]:
    """The page without a network; it fails at the end on any word of the console."""
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
    shown, said = context.new_page(), []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else said.append(asked.url))
    shown.goto(written.as_uri())
    yield shown
    context.close()
    assert said == []


def until(page: Any, holds: Callable[[], bool]) -> None:
    """Wait, for ten seconds at most; the page forbids the code in which playwright would wait itself."""
    for _ in range(200):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen within ten seconds")


def test_it_fits_the_width_of_the_screen(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_film_plays(page: Any) -> None:
    film = page.locator("video").first
    film.evaluate("film => film.play()")
    until(page, lambda: film.evaluate("film => film.ended"))
    # A frame at the reset and one for each step.
    assert film.evaluate("film => film.duration") == pytest.approx((EPISODE_STEPS + 1) / FPS, abs=0.01)
    assert film.evaluate("film => film.error") is None
    until(page, lambda: page.locator(".cursor").first.evaluate("one => one.style.left") == "100%")


def test_one_cursor_moves_the_film_and_every_pane(page: Any) -> None:
    episode = page.locator(".episode").first
    episode.locator(".pane .area").nth(1).hover()  # in the middle: instant 2 of 0 to 4
    assert set(episode.locator(".cursor").evaluate_all("all => all.map(one => one.style.left)")) == {"50%"}
    assert episode.locator("video").evaluate("film => film.currentTime") == pytest.approx(2.5 / FPS)
    assert episode.locator(".time output").inner_text() == f"{2 / FPS:.2f} s"
    assert episode.locator(".pane output").first.inner_text() == "2"  # the clock that the policy sees
    other = page.locator(".episode").nth(1)
    assert other.locator(".cursor").first.evaluate("one => one.style.left") == "0%"


def test_the_bar_moves_with_the_arrow_keys(page: Any) -> None:
    episode = page.locator(".episode").first
    episode.locator("input").press("ArrowRight")
    assert episode.locator(".time output").inner_text() == "0.13 s"  # an eighth


def test_tables_are_sorted_by_their_headings(page: Any) -> None:
    table = page.locator("table").first
    first = table.locator("tbody td:first-child")
    assert first.all_inner_texts() == ["b", "a"]
    heading = table.locator("th").first
    heading.locator("button").click()
    assert (first.all_inner_texts(), heading.get_attribute("aria-sort")) == (["a", "b"], "ascending")
    heading.locator("button").click()
    assert (first.all_inner_texts(), heading.get_attribute("aria-sort")) == (["b", "a"], "descending")
    table.locator("th button", has_text="seed").click()
    assert first.all_inner_texts() == ["b", "a"]  # of seeds 1 and 2


def test_on_paper_a_still_takes_the_place_of_the_film(page: Any) -> None:
    page.emulate_media(media="print")
    assert not page.locator("video").first.is_visible()
    assert page.locator(".seen .still").first.is_visible()
