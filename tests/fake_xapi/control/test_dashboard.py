"""The dashboard in a real browser: it shows what the simulation is, as it changes, and does what a person tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import XenAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

from scenarios import prerequisites
from tests.fake_xapi.control.rig import Rig, running

pytestmark = pytest.mark.browser
WAIT_MS = 20_000
SIZE = {"width": 1500, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=prerequisites.find("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def rig(tmp_path: Any) -> Iterator[Rig]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def page(browser: Browser, rig: Rig) -> Iterator[Page]:
    with opened(browser, rig) as page:
        yield page


@contextmanager
def opened(browser: Browser, rig: Rig, **options: Any) -> Iterator[Page]:
    """A page on which nothing goes wrong unseen; what the control plane refuses is no mistake of the page."""
    wrong: list[str] = []
    context = browser.new_context(**{"viewport": SIZE, **options})
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(rig.url)
        expect(page.get_by_role("status")).to_have_text("live")
        yield page
    finally:
        context.close()
    assert [text for text in wrong if "status of 4" not in text] == []


def total(page: Page, name: str) -> Any:
    return page.locator("#totals div", has=page.get_by_text(name, exact=True)).locator("dd")


def choose(page: Page, number: int) -> None:
    """Walk to a host with the keys, and select it."""
    page.locator("#canvas").focus()
    page.keyboard.press("Home")
    for _ in range(number):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")


def colour(page: Page, x: int, y: int) -> list[int]:
    """The colour of the map at a point of its canvas, as red, green, blue."""
    read = "([x, y]) => [...document.getElementById('canvas').getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)"
    found: list[int] = page.evaluate(read, [x, y])
    return found


def test_the_hosts_and_the_date_are_there(page: Page, rig: Rig) -> None:
    expect(total(page, "up")).to_have_text("3")
    expect(page.locator("#date")).to_have_text(re.compile(r"2012-08-01 00:00:\d\d"))
    expect(page.locator("#fleet")).to_contain_text("3 of release")


def test_a_call_is_seen_as_it_is_made(page: Page, session: Any) -> None:
    with pytest.raises(XenAPI.Failure):
        session.xenapi.VM.get_uuid("OpaqueRef:nothing")
    row = page.locator("#calls tr", has_text="VM.get_uuid")
    expect(row).to_contain_text("HANDLE_INVALID")
    expect(row).to_contain_text("xs00001")
    page.locator("#calls-filter").fill("login")
    expect(page.locator("#calls tr")).to_have_count(1)
    expect(total(page, "refused")).to_have_text("1")


def test_a_page_that_is_opened_late_shows_the_last_calls(browser: Browser, rig: Rig, session: Any) -> None:
    session.xenapi.network.get_all()
    with opened(browser, rig) as page:
        expect(page.locator("#calls tr").first).to_contain_text("network.get_all")
        expect(page.locator("#rate")).to_have_text("0/s")


def test_a_vm_that_starts_is_seen_to_start(page: Page, session: Any) -> None:
    choose(page, 0)
    expect(page.locator("#detail-title")).to_have_text("xs00001")
    template = next(ref for ref, vm in session.xenapi.VM.get_all_records().items() if vm["name_label"] == "Other install media")
    vm = session.xenapi.VM.clone(template, "<b>web</b>")
    session.xenapi.VM.provision(vm)
    expect(page.locator("#detail tr", has_text="<b>web</b>")).to_contain_text("Halted")
    session.xenapi.VM.start(vm, False, False)
    expect(page.locator("#detail tr", has_text="<b>web</b>")).to_contain_text("Running")
    expect(total(page, "VMs running")).to_have_text("1")


def test_a_task_under_way_is_seen(page: Page, session: Any) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    [sr] = session.xenapi.SR.get_by_name_label("Local storage")
    session.xenapi.Async.VDI.create(
        {"SR": sr, "virtual_size": "1024", "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    )
    choose(page, 0)
    expect(page.locator("#detail progress")).to_have_count(1)
    expect(total(page, "tasks")).to_have_text("1")
    page.get_by_label("Jump").select_option("60")
    expect(total(page, "tasks")).to_have_text("0")


def test_a_host_dies_and_lives_again(page: Page, rig: Rig) -> None:
    choose(page, 1)
    expect(page.locator("#detail-title")).to_have_text("xs00002")
    page.get_by_role("button", name="Kill").click()
    expect(total(page, "dead")).to_have_text("1")
    expect(page.locator("#watch tr", has_text="xs00002")).to_contain_text("dead")
    assert rig.in_loop(lambda fleet: fleet.faults.is_dead("xs00002"))
    page.get_by_role("button", name="Revive").click()
    expect(total(page, "up")).to_have_text("3")
    assert not rig.in_loop(lambda fleet: fleet.faults.is_dead("xs00002"))


def test_a_fault_is_added_strikes_and_is_removed(page: Page, rig: Rig, session: Any) -> None:
    page.get_by_label("Effect").select_option("refuse")
    page.get_by_label("Message").fill("network.get_all")
    page.get_by_label("Error").fill("HA_NO_PLAN")
    page.get_by_label("Parameters").fill("")
    page.get_by_role("button", name="Add", exact=True).click()
    fault = page.locator("#faults li")
    expect(fault).to_contain_text("refuse code HA_NO_PLAN")
    with pytest.raises(XenAPI.Failure, match="HA_NO_PLAN"):
        session.xenapi.network.get_all()
    expect(fault).to_contain_text("1 hit")
    page.get_by_role("button", name="Remove fault 1").click()
    expect(page.locator("#faults")).to_contain_text("Nothing goes wrong.")
    assert rig.in_loop(lambda fleet: fleet.faults.rules()) == {}


def test_a_fault_that_is_none_is_refused_in_words(page: Page) -> None:
    page.get_by_label("Message").fill("VM.strat")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("did you mean VM.start")


@pytest.mark.parametrize(
    ("effect", "shown"),
    [
        ("delay", {"seconds", "message", "at", "probability"}),
        ("refuse", {"code", "params", "message", "at", "probability"}),
        ("truncate", {"fraction", "message", "probability"}),
        ("dead", {"at"}),
        ("clock-skew", {"seconds"}),
    ],
)
def test_the_form_asks_for_what_an_effect_needs(page: Page, effect: str, shown: set[str]) -> None:
    page.get_by_label("Effect").select_option(effect)
    fields = ("seconds", "fraction", "code", "params", "message", "at", "probability")
    assert {name for name in fields if page.locator(f"#fault-form [name={name}]").is_visible()} == shown


def test_time_is_paused_stepped_jumped_and_sped_up(page: Page, rig: Rig) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#pace")).to_have_text("paused")
    paused = rig.done("GET", "/clock")["time_s"]
    page.get_by_label("Jump").select_option("3600")
    expect(page.locator("#date")).to_have_text(re.compile("2012-08-01 01:00"))
    assert rig.done("GET", "/clock")["time_s"] == paused + 3600
    page.get_by_role("button", name="Step").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_label("Speed").select_option("600")
    expect(page.locator("#pace")).to_have_text("× 600")


def test_the_worlds_go_back_to_a_snapshot(page: Page, session: Any) -> None:
    expect(page.get_by_label("Back to")).to_be_disabled()
    page.get_by_role("button", name="Snapshot").click()
    expect(page.locator("#back option")).to_have_count(2)
    network = session.xenapi.network.create({"name_label": "n", "other_config": {}})
    with page.expect_response(re.compile("/snapshots/page-1/restore")) as answer:
        page.get_by_label("Back to").select_option("page-1")
    assert answer.value.status == 200
    with pytest.raises(XenAPI.Failure, match="HANDLE_INVALID"):
        session.xenapi.network.get_uuid(network)


def test_the_map_shows_who_is_dead_and_is_filtered(page: Page, rig: Rig) -> None:
    before = colour(page, 90, 90)
    rig.done("PUT", "/hosts/xs00001/alive", {"alive": False})
    expect(total(page, "dead")).to_have_text("1")
    red, green, blue = colour(page, 90, 90)
    assert before != [red, green, blue]
    assert red > 150 > green
    page.locator("#filter").fill("xs00003")
    choose(page, 0)
    expect(page.locator("#detail-title")).to_have_text("xs00003")


def test_pointing_at_a_host_says_what_it_is(page: Page) -> None:
    page.locator("#canvas").hover(position={"x": 20, "y": 20})
    expect(page.locator("#tip")).to_have_text("xs00001: up, 0 running, 0 resting")
    expect(page.locator("#pointed")).to_have_text("xs00001: up, 0 running, 0 resting")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_or_light_as_the_system_wants_and_as_the_reader_wants(browser: Browser, rig: Rig, scheme: Any) -> None:
    with opened(browser, rig, color_scheme=scheme) as page:
        brightness = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)"
        before = page.evaluate(brightness)
        page.get_by_role("button", name="Dark or light").click()
        after = page.evaluate(brightness)
        assert (before > 384, after > 384) == ((True, False) if scheme == "light" else (False, True))
        page.reload()
        assert page.evaluate(brightness) == after


CONTRASTS = """() => {
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const back = (node) => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.offsetParent || node.closest("option, .skip, .tip") || node.disabled) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(back(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${node.tagName} ${node.id} ${node.className} ${node.textContent.trim().slice(0, 30)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(browser: Browser, rig: Rig, scheme: Any) -> None:
    rig.done("PUT", "/hosts/xs00002/alive", {"alive": False})
    with opened(browser, rig, color_scheme=scheme) as page:
        choose(page, 1)
        expect(page.locator("#detail")).to_contain_text("Local storage")
        assert page.evaluate(CONTRASTS) == []


def test_every_control_has_a_name_and_is_reached_by_the_keyboard(page: Page) -> None:
    unnamed = """() => [...document.querySelectorAll("button, select, input, canvas")].filter((node) => node.offsetParent)
      .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
      .map((node) => node.outerHTML)"""
    assert page.evaluate(unnamed) == []
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
    assert {"pause", "speed", "jump", "theme", "filter", "canvas", "effect", "calls-filter", "hold"} <= reached


@pytest.mark.parametrize("width", [1500, 1100, 600])
def test_nothing_is_wider_than_the_window(browser: Browser, rig: Rig, width: int) -> None:
    with opened(browser, rig, viewport={"width": width, "height": 800}) as page:
        expect(total(page, "up")).to_have_text("3")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_ten_thousand_hosts_are_drawn_at_once(browser: Browser, tmp_path: Any) -> None:
    with running(tmp_path, hosts=10_000, profile="instant") as rig, opened(browser, rig) as page:
        expect(total(page, "up")).to_have_text("10000")
        rig.done("POST", "/faults", {"host": "xs0050*", "effect": {"kind": "dead"}})
        expect(total(page, "dead")).to_have_text("10")
        expect(page.locator("#watch-count")).to_have_text("10 of 10000")
        page.locator("#filter").fill("xs00501")
        choose(page, 0)
        expect(page.locator("#detail")).to_contain_text("dead")
        drawn_ms = page.evaluate(
            """async () => { const { HostMap } = await import("/static/host_map.js"); const box = document.createElement("div");
            box.style.width = "900px"; box.style.height = "500px"; const canvas = document.createElement("canvas"); box.append(canvas);
            document.body.append(box); const map = new HostMap(canvas, box, box, () => {});
            const names = Array.from({ length: 10000 }, (_, at) => `h${at}`);
            map.set({ names, cells: names.map((_, at) => [0, at % 9, 1, at % 3, at % 5]), states: ["up"] });
            const began = performance.now(); for (let turn = 0; turn < 10; turn += 1) map.draw();
            return (performance.now() - began) / 10; }"""
        )
        assert drawn_ms < 500
