"""The leaderboard's page, as text and in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from reporting_examples import curves_of, result

from bench.errors import BenchError
from bench.leaderboard.curves import add_curves, read_gathered
from bench.leaderboard.rows import add_rows, read_leaderboard
from bench.reporting.page import _learned, page

ROOT = Path(__file__).parents[2]
@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "leaderboard.csv"
    for attack in ("spatiotemporal", "trojdrl", "always_on"):
        for detector, auroc in (("bigram", 0.9), ("isoforest", 0.7), ("knn", 0.8)):
            add_rows(path, result(attack, detector, auroc))
    frame = read_leaderboard(path)
    attacks = frame[(frame["kind"] == "attack") & (frame["row_detector"] != "knn")]
    add_curves(path, {row: curves_of(attack) for row, attack in attacks[["row_id", "attack"]].to_numpy()})
    add_rows(path, result("spatiotemporal", "old_one", 0.99, benchmark_version="0.0.1", date="2025-01-01"))
    add_rows(path, replace(result("spatiotemporal", "lof", 0.5), status="error", error="no <memory>", rows=[]))
    return path


def test_the_page_stands_alone_and_tells_what_is_there(csv):
    html = page(read_leaderboard(csv), ROOT / "leaderboard/figures", read_gathered(csv))
    assert "9.9.9" in html
    assert "old_one" not in html, "an older version is not shown beside this one"
    assert "no &lt;memory&gt;" in html, "a failed cell is told of, escaped"
    assert "figures/spatiotemporal-vdn-s0-replay.html" in html
    assert html.count("<polyline") == 2 * 3, "two lines of each attack's learning curve"
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", html), "nothing is loaded from elsewhere"


def test_a_page_without_curves_has_cards_without_them(csv):
    html = page(read_leaderboard(csv), ROOT / "leaderboard/figures")
    assert 'id="detector-bigram"' in html
    assert "Curves and battles" not in html


def test_curves_of_the_main_attack_and_map_come_first(tmp_path):
    path = tmp_path / "l.csv"
    for attack, env in (("backdoorl", "smax/8m/random"), ("spatiotemporal", "smax/2s3z/random"),
                        ("spatiotemporal", "smax/8m/random")):
        add_rows(path, result(attack, "bigram", 0.9, env=env))
    frame = read_leaderboard(path)
    attacks = frame[frame["kind"] == "attack"]
    add_curves(path, {row: curves_of(attack) for row, attack in attacks[["row_id", "attack"]].to_numpy()})
    options = re.findall(r"<option[^>]*>(\w+, \w+/\w+, \w+)</option>", page(frame, tmp_path, read_gathered(path)))
    assert options == ["spatiotemporal, 8m/random, vdn", "spatiotemporal, 2s3z/random, vdn",
                       "backdoorl, 8m/random, vdn"]


def test_no_page_without_figures(tmp_path):
    add_rows(tmp_path / "l.csv", result("a", "b", 0.5, status="error", error="no", rows=[]))
    with pytest.raises(BenchError, match="no row with figures"):
        page(read_leaderboard(tmp_path / "l.csv"), tmp_path)


@pytest.fixture(params=[(1280, "light"), pytest.param((360, "dark"), marks=pytest.mark.slow)], ids=["desktop", "phone"])
def opened(request, browser, csv):
    """The page in a window; in the end it has asked the network for nothing and complained of nothing."""
    file = csv.with_name("index.html")
    file.write_text(page(read_leaderboard(csv), ROOT / "leaderboard/figures", read_gathered(csv)))
    width, scheme = request.param
    window = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    wrong: list[str] = []
    window.on("console", lambda message: wrong.append(message.text))
    window.on("pageerror", lambda error: wrong.append(str(error)))
    window.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url))
    window.goto(file.as_uri())
    yield window
    assert wrong == []
    window.close()


def column(window, number: int) -> list[str]:
    return window.locator(f"#rows tbody td:nth-child({number})").all_inner_texts()


@pytest.mark.slow
def test_sorting(opened):
    assert opened.locator("#rows th", has_text="backdoor detection").get_attribute("aria-sort") == "descending"
    head = opened.locator("#rows th", has_text="visibility")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [cell[:4] for cell in column(opened, 4)] == ["0.90"] * 3 + ["0.80"] * 3 + ["0.70"] * 3
    head.locator("button").focus()
    opened.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [cell[:4] for cell in column(opened, 4)] == ["0.70"] * 3 + ["0.80"] * 3 + ["0.90"] * 3


def test_searching_and_filtering(opened):
    opened.locator("#attack").select_option("trojdrl")
    assert set(column(opened, 2)) == {"trojdrl"}
    opened.get_by_role("searchbox", name="Search").fill("knn")
    assert column(opened, 1) == ["knn"]
    assert opened.get_by_role("status").inner_text() == "1 of 1 rows shown"
    opened.locator("#phase").select_option("before")
    assert column(opened, 4) == ["0.40 (0.39 to 0.41)"]
    opened.locator("#kind").select_option("control")
    assert column(opened, 4) == ["0.25 (0.24 to 0.26)"]
    opened.get_by_role("searchbox", name="Search").fill("nothing like it")
    assert column(opened, 1) == []


@pytest.mark.slow
def test_cards_and_layout(opened):
    card = opened.locator("#detector-bigram")
    assert not card.locator("table").first.is_visible()
    opened.locator("#ranking a", has_text="bigram").first.click()
    assert card.locator("table").first.is_visible(), "a link of the ranking opens the detector's card"
    opened.locator("#attacks summary", has_text="spatiotemporal").click()
    assert opened.get_by_role("link", name="replay").first.is_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]
    assert all(svg.get_attribute("aria-label") for svg in opened.locator("svg").all())


@pytest.mark.slow
def test_nothing_keeps_people_out(opened, barriers):
    assert barriers(opened) == []
    opened.evaluate("document.querySelectorAll('details').forEach(card => card.open = true)")
    assert barriers(opened) == []


def test_what_was_learned_is_of_whom_no_floor_reaches():
    lines = [{"detector": name, "kind": kind, "whole": whole, "auroc": auroc, "low": auroc - 0.1, "high": auroc + 0.1}
             for name, kind, auroc, whole in [("best", "attack", 0.9, True), ("good", "attack", 0.8, True),
                                              ("fair", "attack", 0.6, True), ("some", "attack", 0.95, False),
                                              ("random", "floor", 0.5, True), ("worse", "attack", 0.4, True)]]
    assert _learned(lines) == {"first": "best", "auroc": 0.9, "of": 4, "beat": 2}
    assert _learned(lines[:3]) is None
    assert _learned(lines[4:5]) is None


@pytest.mark.parametrize(("width", "scheme"), [
    (1400, "light"), pytest.param(390, "dark", marks=pytest.mark.slow)], ids=["desktop", "phone"])
def test_the_shipped_page_is_there_at_once(width, scheme, browser):
    """The browser's main thread is done with it in half a second of its own time, however busy the machine is."""
    window = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    wrong: list[str] = []
    window.on("console", lambda message: wrong.append(message.text))
    window.on("pageerror", lambda error: wrong.append(str(error)))
    devtools = window.context.new_cdp_session(window)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    window.goto((ROOT / "leaderboard/index.html").as_uri(), timeout=100_000)
    taken = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    assert taken["TaskDuration"] < 2, "seconds"
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert window.locator("#rows tbody tr").count() == 100
    assert wrong == []
    window.close()


@pytest.mark.slow
def test_curves_of_a_chosen_attack(opened):
    opened.locator("#detector-bigram summary").click()
    charts = opened.locator("#detector-bigram .charts")
    titles = ["ROC", "Precision and recall", "Cost", "Delay",
              f"Battle {len('spatiotemporal')}, most anomalous with trigger", "Battle 1, without trigger"]
    assert charts.locator("figcaption").all_inner_texts() == titles, "the main attack is shown first"
    assert all(svg.bounding_box()["width"] > 200 for svg in charts.locator("svg").all())
    choice = opened.get_by_label("Attack and team, seed 0").and_(opened.locator("#detector-bigram select"))
    teams = choice.locator("option").all_inner_texts()
    assert teams == ["spatiotemporal, 8m/random, vdn", "trojdrl, 8m/random, vdn"], "a bound is no attack to find"
    choice.select_option("trojdrl, 8m/random, vdn")
    titles[4] = f"Battle {len('trojdrl')}, most anomalous with trigger"
    charts.get_by_text(titles[4]).wait_for()
    assert charts.locator("figcaption").all_inner_texts() == titles
    assert charts.get_by_role("img").first.get_attribute("aria-label").startswith("ROC curve: before onset AUROC 0.45")
    choice.select_option("spatiotemporal, 8m/random, vdn")
    charts.get_by_text(f"Battle {len('spatiotemporal')},").wait_for()
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]
    opened.locator("#detector-knn summary").click()
    assert opened.locator("#detector-knn table").first.is_visible()
    assert opened.locator("#detector-knn .charts").count() == 0, "no curves were kept of it"


@pytest.mark.slow
def test_a_rows_command_is_copied(opened):
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = opened.locator("#rows tbody button").first
    words = f"python -m bench reproduce {button.inner_text()}"
    assert button.get_attribute("aria-label") == f"Copy: {words}"
    button.focus()
    opened.keyboard.press("Enter")
    opened.get_by_role("status").filter(has_text=words).wait_for()
    assert opened.evaluate("navigator.clipboard.readText()") == words
