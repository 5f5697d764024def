"""Every page of the built book in Chromium, and that each check finds what it looks for."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.book import browser as chromium
from tests.book import layout
from tests.book.check_site import listed_pages
from tests.notebooks.execute import ROOT
from tokenlab.figures import BLUE, new_figure, player, show

PAGES = [*listed_pages(), "genindex", "search"]
NOTEBOOKS = [name for name in listed_pages() if (ROOT / f"{name}.ipynb").exists()]
#: Bytes of a page with all that it loads: unpacked, and as the server sends them.
UNPACKED, SENT = 2_000_000, 700_000


def inaccessible(page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds: rule, element, and why."""
    from axe_playwright_python.sync_playwright import Axe

    # Only what is open is looked at.
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    options = {"resultTypes": ["violations"], "iframes": False, "preload": False}
    options["runOnly"] = rules or ["wcag2a", "wcag2aa", "wcag21aa"]
    # These have a check of their own, paleText, which is fast.
    context = {"exclude": [[".highlight"], ["mjx-container"]]}
    found = Axe().run(page, context=context, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page(browser, site: str, name: str):
    with chromium.visit(browser, f"{site}/{name}.html") as visit:
        page = visit.page
        assert visit.foreign == [], "a page loads from another host"
        assert visit.errors == []
        assert visit.ask("missingImages") == []
        assert visit.ask("missingIcons") == []
        assert visit.ask("unsetEquations") == []
        unpacked, sent = visit.weight()
        assert unpacked < UNPACKED and sent < SENT, f"{unpacked:,} bytes, {sent:,} sent"
        assert inaccessible(page) == []
        assert visit.ask("paleText") == []
        assert layout.at_a_desk(page) == [] or name not in layout.HELD

        page.emulate_media(color_scheme="dark")
        page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        # Colours fade into one another; what is read is how they end.
        page.wait_for_function("document.getAnimations().every((a) => a.playState === 'finished')")
        assert inaccessible(page, ["color-contrast"]) == []
        assert visit.ask("paleText") == []

        page.set_viewport_size(chromium.PHONE)
        assert visit.ask("overflow") == []
        assert visit.ask("cutEquations") == []
        assert layout.on_a_phone(page) == [] or name not in layout.HELD
        assert visit.errors == [] and visit.foreign == []


# --- planted faults ------------------------------------------------------------------


PLANTED = {
    "foreign": '<img src="https://example.org/x.png" alt="x">',
    "errors": "<script>undefined_name()</script>",
    "missingImages": '<img src="gone.png" alt="A curve that rises">',
    "missingIcons": '<i class="fa-solid fa-moon"></i>',
    "unsetEquations": r"<p>where $x_i$ is</p>",
    "overflow": '<div style="width: 3000px">wide</div>',
    "cutEquations": '<div class="math" style="display: flex; flex-direction: row-reverse; overflow: auto; width: 99px">'
    '<mjx-math style="flex: 1 0 300px"><b>beginning</b></mjx-math></div>',
    "paleText": '<svg role="img" aria-label="words"><text y="20" style="fill: #999">pale</text></svg>',
    "inaccessible": '<p style="color: #999">pale</p>',
}
PALE_CODE = '<div class="highlight"><pre>dark <span style="color: #999">pale</span></pre></div>'


@pytest.mark.parametrize(("check", "body"), [*PLANTED.items(), ("paleText", PALE_CODE)])
def test_planted_fault_is_found(browser, tmp_path: Path, check: str, body: str):
    start = (
        '<!doctype html><html lang="en"><head><title>T</title><link rel="icon" href="data:,"></head><body>'
    )
    good = '<p>fine</p><svg role="img" aria-label="words"><text y="20">dark</text></svg>'

    def found(visit) -> list:
        if check in ("foreign", "errors"):
            return getattr(visit, check)
        return inaccessible(visit.page) if check == "inaccessible" else visit.ask(check)

    with chromium.serve(tmp_path) as address:
        for text, faulty in ((good, False), (good + body, True)):
            (tmp_path / "index.html").write_text(f"{start}<main>{text}</main></body></html>")
            with chromium.visit(browser, f"{address}/index.html") as visit:
                assert bool(found(visit)) == faulty, text


def test_weight_counts_what_a_page_loads(browser, tmp_path: Path):
    (tmp_path / "x.js").write_text("// " + "x" * 100_000)
    (tmp_path / "index.html").write_text('<link rel="icon" href="data:,"><script src="x.js"></script>')
    with chromium.serve(tmp_path) as address, chromium.visit(browser, f"{address}/index.html") as visit:
        unpacked, sent = visit.weight()
    assert unpacked > 100_000 and 100 < sent < 5_000


# --- what a reader does --------------------------------------------------------------


def test_theme_is_switched_and_kept(browser, site: str):
    with chromium.visit(browser, f"{site}/book/index.html") as visit:
        page, theme = visit.page, "document.documentElement.dataset.theme"
        ground = "getComputedStyle(document.body).backgroundColor"
        seen = {page.evaluate(theme): page.evaluate(ground)}
        for _ in range(3):  # The button goes through light, dark and the system's choice.
            page.locator(".theme-switch-button:visible").click()
            seen[page.evaluate(theme)] = page.evaluate(ground)
        assert set(seen) == {"light", "dark"} and seen["light"] != seen["dark"]
        while page.evaluate(theme) != "dark":
            page.locator(".theme-switch-button:visible").click()
        page.goto(f"{site}/book/notation.html")
        assert page.evaluate(theme) == "dark" and visit.errors == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_dropdowns_open(browser, site: str, name: str):
    with chromium.visit(browser, f"{site}/{name}.html") as visit:
        dropdown = visit.page.locator("article details").last
        words = dropdown.locator(":scope > :not(summary)").first
        assert not words.is_visible()
        dropdown.locator("summary").click()
        assert words.is_visible()
        dropdown.locator("summary").press("Enter")
        words.wait_for(state="hidden")
        assert not words.is_visible()


@pytest.mark.parametrize("name", ["book/index", "book/sampling/derive", "book/sampling/run"])
def test_player_in_a_page(browser, site: str, name: str):
    with chromium.visit(browser, f"{site}/{name}.html") as visit:
        player = visit.page.locator("figure[data-player]:has(input[type=range])").first
        slider, picture = player.locator("input[type=range]"), player.locator("svg[role=img]:visible")
        assert slider.input_value() == "0"
        before = picture.get_attribute("aria-label"), player.locator("output").inner_text()
        slider.focus()
        slider.press("ArrowRight")
        after = picture.get_attribute("aria-label"), player.locator("output").inner_text()
        assert after[0] != before[0] and after[1] != before[1]
        assert after[1] in slider.get_attribute("aria-valuetext")
        box = slider.bounding_box()
        visit.page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
        assert player.locator("output").inner_text() == before[1]
        assert picture.count() == 1 and visit.errors == []


def bars(heights: list[float], width: float = 6.4):
    figure, axes = new_figure(width, 2.6)
    axes.bar(range(len(heights)), heights, color=BLUE)
    # A mark of another shape is defined anew: it must not stop the bars from moving.
    for index, height in enumerate(heights):
        axes.plot(index, 0.5, "s", markerfacecolor=BLUE if height > 0.8 else "none")
    axes.set_ylim(0, 1)
    return figure


def small_player(frames: list[list[float]], **options) -> str:
    numbers = range(len(frames))
    made = player(
        [bars(heights) for heights in frames],
        [f"{number} drafts" for number in numbers],
        caption="Bars that grow.",
        alt=[f"Bars of frame {number}, which grow." for number in numbers],
        control="drafts",
        captions=[f"This is frame number {number}." for number in numbers],
        **options,
    )
    return made._repr_html_()


@contextmanager
def small_page(browser, folder: Path, body: str, **options):
    style = (ROOT / "book" / "_static" / "figures.css").read_text(encoding="utf-8")
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><head><title>T</title><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><main>{body}</main></body></html>",
        encoding="utf-8",
    )
    with chromium.serve(folder) as address:
        with chromium.visit(browser, f"{address}/index.html", **options) as visit:
            yield visit
        assert visit.errors == [] and visit.foreign == []


GROWING = [[0.1, 0.1], [0.5, 0.9], [0.6, 1.0]]


def state(player) -> tuple[str, str, str]:
    """Where a player stands: picture, value, sentence."""
    return (
        player.locator("svg[role=img]:visible").get_attribute("aria-label"),
        player.locator("output").inner_text(),
        player.locator("[aria-live=polite]").inner_text(),
    )


def at_frame(number: int) -> tuple[str, str, str]:
    return (f"Bars of frame {number}, which grow.", f"{number} drafts", f"This is frame number {number}.")


def test_player_starts_steps_and_plays_to_the_end(browser, tmp_path: Path):
    with small_page(browser, tmp_path, small_player(GROWING) * 2) as visit:
        first, second = visit.page.locator("figure[data-player]").all()
        assert state(first) == state(second) == at_frame(0)
        back, forward = (first.get_by_role("button", name=f"Step {way}") for way in ("back", "forward"))
        for button, number in ((forward, 1), (forward, 2), (forward, 2), (back, 1), (back, 0), (back, 0)):
            button.focus()
            button.press("Enter")
            assert state(first) == at_frame(number)
        assert state(second) == at_frame(0), "another player of the page moved too"
        for button in first.get_by_role("button").all():
            box = button.bounding_box()
            assert min(box["width"], box["height"]) >= 32
        # It begins again when it has been at the end.
        for _ in range(2):
            first.get_by_role("button", name="Play").click()
            assert first.get_by_role("button", name="Pause").count() == 1
            first.get_by_role("button", name="Play").wait_for(timeout=20_000)
            assert state(first) == at_frame(2)
        first.get_by_role("button", name="Play").click()
        first.get_by_role("button", name="Pause").click()
        paused = state(first)
        visit.page.wait_for_timeout(2500)
        assert state(first) == paused == at_frame(0)
        assert inaccessible(visit.page) == []


def test_two_frames_are_a_toggle(browser, tmp_path: Path):
    with small_page(browser, tmp_path, small_player(GROWING[:2])) as visit:
        player = visit.page.locator("figure[data-player]")
        assert player.locator("input").count() == 0
        buttons = player.get_by_role("group", name="drafts").get_by_role("button").all()
        for pressed in (0, 1, 0):
            if pressed != 0 or player.locator("svg:visible").get_attribute("aria-label") != at_frame(0)[0]:
                buttons[pressed].click()
            assert [button.get_attribute("aria-pressed") for button in buttons] == [
                str(i == pressed).lower() for i in range(2)
            ]
            assert player.locator("svg:visible").get_attribute("aria-label") == at_frame(pressed)[0]
            assert player.locator("[aria-live]").inner_text() == at_frame(pressed)[2]
        assert inaccessible(visit.page) == []


#: Paths of the bars after a step, at once and when all has come to rest.
STEP = """async () => {
  const paths = () => [...document.querySelectorAll("svg.picture-wide path")].map((p) => p.getAttribute("d")).join();
  const before = paths();
  document.querySelector("button[aria-label='Step forward']").click();
  const seen = [];
  for (let i = 0; i < 60; i++) {
    await new Promise(requestAnimationFrame);
    seen.push(paths());
  }
  await new Promise((done) => setTimeout(done, 500));
  return [before, seen, paths()];
}"""


def between(page) -> int:
    """How many pictures that are neither frame are seen on the way to the next frame."""
    before, seen, after = page.evaluate(STEP)
    assert before != after
    return len(set(seen) - {before, after})


def test_marks_move_between_frames_of_one_structure(browser, tmp_path: Path):
    with small_page(browser, tmp_path, small_player(GROWING)) as visit:
        assert between(visit.page) > 1
    with small_page(browser, tmp_path, small_player(GROWING), reduced_motion="reduce") as visit:
        assert between(visit.page) == 0
    with small_page(browser, tmp_path, small_player([[0.1, 0.2], [0.1, 0.2, 0.4], [0.2]])) as visit:
        assert between(visit.page) == 0


def test_one_form_of_a_figure_is_there_and_its_text_is_legible(browser, tmp_path: Path):
    body = show(bars([0.2, 0.4]), caption="Two bars rise.", alt="Bars of 0.2 and 0.4.")._repr_html_()
    smallest = """[...document.querySelectorAll("svg")].filter((s) => s.getBoundingClientRect().width).map((s) =>
      [s.getAttribute("class"), Math.min(...[...s.querySelectorAll("text")].map((t) =>
        parseFloat(getComputedStyle(t).fontSize) * s.getBoundingClientRect().width / s.viewBox.baseVal.width))])"""
    for width, form, margin in ((1280, "picture-wide", "0 272px"), (360, "picture-narrow", "0 8px")):
        inside = f'<div style="margin: {margin}">{body}</div>'
        with small_page(browser, tmp_path, inside, viewport={"width": width, "height": 800}) as visit:
            ((shown, size),) = visit.page.evaluate(smallest)
            assert shown == form and size >= 11
            assert visit.page.get_by_role("img").count() == 1
    # Notebooks lack the style sheet.
    (tmp_path / "plain.html").write_text(body, encoding="utf-8")
    with (
        chromium.serve(tmp_path) as address,
        chromium.visit(browser, f"{address}/plain.html", viewport=chromium.PHONE) as visit,
    ):
        assert [shown for shown, _ in visit.page.evaluate(smallest)] == ["picture-wide"]


def test_player_stands_still_without_scripts(browser, tmp_path: Path):
    body = small_player(GROWING)
    with small_page(browser, tmp_path, body, settle=False, java_script_enabled=False) as visit:
        player = visit.page.locator("figure[data-player]")
        assert player.locator("svg[role=img]:visible").get_attribute("aria-label") == at_frame(2)[0]
        assert player.locator("input, button").count() == 0
        assert "parts" not in player.inner_text()
        assert at_frame(2)[2] in player.inner_text()


def test_search_finds(browser, site: str):
    with chromium.visit(browser, f"{site}/book/index.html") as visit:
        page = visit.page
        page.keyboard.press("Control+k")
        page.keyboard.type("Gumbel")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results li a")
        targets = page.locator("#search-results li a").evaluate_all("links => links.map((a) => a.href)")
        assert any("/book/sampling/derive.html" in target for target in targets)
        page.wait_for_load_state("networkidle")
        page.goto(f"{site}/search.html?q=min_p")
        page.wait_for_selector("#search-results li a")
        assert "min_p" in page.locator("#search-results").inner_text()
        page.wait_for_load_state("networkidle")
        page.goto(f"{site}/search.html?q=xyzzyplugh")
        page.wait_for_function("document.querySelector('.search-summary')?.innerText.length > 10")
        assert page.locator("#search-results li a").count() == 0 and visit.errors == []


def test_text_comes_before_equations_on_a_slow_line(browser, site: str):
    # 400 kbit/s with half a second to and fro. Only the order is asserted, no time.
    address = f"{site}/book/sampling/derive.html"
    context = browser.new_context(viewport=chromium.PHONE)
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 500, "downloadThroughput": 50_000, "uploadThroughput": 50_000},
    )
    page.goto(address, wait_until="commit")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length", timeout=120_000)
    page.wait_for_function("window.MathJax?.startup?.promise", timeout=120_000)
    page.evaluate("MathJax.startup.promise")
    painted, typeset = page.evaluate(
        """[performance.getEntriesByName('first-contentful-paint')[0].startTime,
            Math.max(...performance.getEntriesByType('resource').filter((r) => r.name.includes('mathjax'))
              .map((r) => r.responseEnd))]"""
    )
    context.close()
    print(f"first text after {painted / 1000:.1f} s, equations after {typeset / 1000:.1f} s")
    assert painted < typeset


def test_claims_open_and_are_filtered(browser, site: str):
    address = f"{site}/book/claims.html"
    with chromium.visit(browser, f"{address}#claim-hand-entropy") as visit:
        page, shown = visit.page, "details.claim-row:not([hidden])"
        linked = page.locator("details.claim-row:has(#claim-hand-entropy)")
        everything = page.locator(shown).count()
        assert linked.evaluate("row => row.open") and page.locator("details.claim-row[open]").count() == 1
        assert page.get_by_text(f"{everything} claims. By kind:").is_visible()
        assert set(page.get_by_label("Status").locator("option").all_inner_texts()) >= {"no paper value"}
        page.get_by_label("Kind").select_option("beyond")
        few = page.locator(shown).count()
        assert 0 < few < everything and not linked.is_visible()
        page.get_by_label("Words").fill("gsm8k")
        assert page.locator(shown).count() == 1
        assert page.get_by_text(f"1 of {everything} claims").is_visible()
        # A row opens by key, and a link shows its row in spite of the filter.
        page.locator(f"{shown} summary").press("Enter")
        assert page.locator(f"{shown} .claim-more").is_visible()
        page.evaluate("location.hash = 'claim-repetition-two-tokens'")
        page.locator("#claim-repetition-two-tokens").wait_for(state="visible")
        assert page.locator(shown).count() == everything and visit.errors == []
    with chromium.visit(browser, f"{address}#claim-hand-entropy", java_script_enabled=False) as visit:
        assert visit.page.locator("details.claim-row").count() == everything
        assert visit.page.locator("#claim-hand-entropy").is_visible()


def test_words_are_found(browser, site: str):
    address = f"{site}/book/glossary.html"
    with chromium.visit(browser, address) as visit:
        page, shown = visit.page, "section.term:not([hidden])"
        everything = page.locator(shown).count()
        field = page.get_by_label("Find a word")
        field.fill("top-")
        assert page.locator(shown).count() == 3 and page.get_by_text(f"3 of {everything} words").is_visible()
        # What no word is called is looked for in what is said of them.
        field.fill("nucleus")
        assert [text.strip("#\n ") for text in page.locator(f"{shown} h3").all_inner_texts()] == ["top-p"]
        page.get_by_role("button", name="Words with K").click()
        page.get_by_role("link", name="KV cache", exact=True).click()
        page.locator("#kv-cache").wait_for(state="visible")
        assert page.locator(shown).count() == everything and visit.errors == []
    with chromium.visit(browser, address, java_script_enabled=False) as visit:
        assert visit.page.locator("section.term").count() == everything
