"""The page of a whole agent in Chromium: hostile content, narrow windows, a stopped agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page.browser import Browser
from tests.unit.web.whole_agent import WholeAgent, key
from vipagent.store.layout import WHOLE_SERVICE, Kind
from vipagent.store.records import Event, Maintenance, NodeState, Registration, VipState
from vipagent.types import CheckState, Neighbor

SCRIPT = "<script>window.hacked = true</script>"
IMAGE = "<img src=x onerror='window.hacked = true'>"
BOLD = "<i>bold</i>&amp;"
LONG_TEXT = "https://" + "x" * 300
FACTS = (
    f"asked for rank 3, not accepted: {SCRIPT}",
    f"{BOLD} {IMAGE}",
    f"a BGP neighbour is not established: {BOLD} via {SCRIPT}",
)
INJECTED_ELEMENTS = "main :is(script, img, i, svg, iframe, a, style)"
CONTRAST = """
    (() => {
      const channels = color => color.match(/[\\d.]+/g).map(Number);
      const light = color => channels(color).slice(0, 3).map(v => v / 255)
        .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
      const back = node => {
        for (; node; node = node.parentElement) {
          const color = getComputedStyle(node).backgroundColor;
          if (channels(color)[3] !== 0) return color;
        }
        return "rgb(255, 255, 255)";
      };
      return [...document.querySelectorAll("body *")].filter(node => node.innerText && !node.children.length)
        .map(node => [light(getComputedStyle(node).color), light(back(node)), node.innerText])
        .map(([a, b, text]) => [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), text])
        .sort((a, b) => a[0] - b[0])[0];
    })()
"""
"""The lowest contrast of any text on the page (WCAG 2.1, 1.4.3), and the text."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[WholeAgent]:
    agent = WholeAgent(tmp_path)
    agent.start()
    agent.wait()
    yield agent
    agent.stop()


@pytest.fixture
def hostile(agent: WholeAgent) -> Iterator[WholeAgent]:
    """Provide the agent with hostile content in its store."""
    operator = agent.operator()
    event = Event("2026-01-01T00:00:00.000+00:00", SCRIPT, IMAGE, SCRIPT, BOLD, IMAGE, SCRIPT)
    state = NodeState(
        node=SCRIPT,
        check=CheckState.UP,
        detail=f"{SCRIPT} {LONG_TEXT}",
        since=IMAGE,
        vips={
            "10.0.0.1": VipState(reason=SCRIPT, asked=3),
            "10.0.0.2": VipState(reason=IMAGE, rank=0, owned=True),
        },
        events=(event,),
        peers=(Neighbor(BOLD, IMAGE, interface=SCRIPT),),
    )
    operator.register(key(Kind.STATES, "node2"), state.dump())
    operator.register(key(Kind.MEMBERS, "10.0.0.3"), Registration(SCRIPT, IMAGE).dump())
    operator.write(key(Kind.MAINTENANCE, "node3"), Maintenance(IMAGE, SCRIPT, BOLD).dump(), 5.0)
    operator.write(key(Kind.MAINTENANCE, WHOLE_SERVICE), Maintenance(SCRIPT, IMAGE, "soon").dump(), 5.0)
    yield agent
    operator.close(5.0)


def open_page(browser: Browser, agent: WholeAgent) -> str:
    """Open the agent's page, wait until it is connected, and return its URL."""
    page = f"http://127.0.0.1:{agent.port}/"
    browser.open(page)
    browser.wait_for("the page is connected", lambda: "✓ live" in browser.text())
    return page


def test_hostile_names_and_reasons_are_displayed_as_text(browser: Browser, hostile: WholeAgent) -> None:
    page = open_page(browser, hostile)
    for text in (SCRIPT, IMAGE, f"rank 0, {IMAGE}", f"in maintenance by {IMAGE}", BOLD, LONG_TEXT, *FACTS):
        browser.wait_for(text, lambda: text in browser.text())  # noqa: B023
    assert browser.evaluate("window.hacked") is None
    assert browser.evaluate(f"document.querySelectorAll('{INJECTED_ELEMENTS}').length") == 0
    assert [request for request in browser.requests if not request.startswith(page)] == []
    assert browser.errors == []


def test_the_policy_blocks_injected_scripts(browser: Browser, agent: WholeAgent) -> None:
    """The policy is a second line of defence if the page itself had a vulnerability."""
    open_page(browser, agent)
    browser.evaluate(
        """
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hacked = 1'>");
        document.body.append(Object.assign(document.createElement("script"), {text: "window.hacked = 2"}));
        """
    )
    browser.wait_for(
        "Chromium reports the violations", lambda: bool(browser.evaluate("1") and len(browser.errors) >= 2)
    )
    assert browser.evaluate("window.hacked") is None
    assert all("Content Security Policy" in error for error in browser.errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_on_narrow_and_wide_screens(
    browser: Browser, hostile: WholeAgent, scheme: str, tmp_path: Path
) -> None:
    open_page(browser, hostile)
    browser.wait_for("all content is displayed", lambda: LONG_TEXT in browser.text())
    browser.wait_for("animations have ended", lambda: not browser.evaluate("document.getAnimations().length"))
    for width in (390, 1100):
        browser.set_viewport(width, scheme)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        contrast, text = browser.evaluate(CONTRAST)
        assert contrast >= 4.5, text
        browser.screenshot(tmp_path / f"{width}.png")
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(16, 21, 27)") == (scheme == "dark")


def test_the_page_shows_a_disconnect_and_reconnects(browser: Browser, agent: WholeAgent) -> None:
    open_page(browser, agent)
    agent.stop()
    browser.wait_for("the disconnect is displayed", lambda: "✕ disconnected since" in browser.text())
    assert "10.0.0.1" in browser.text()
    agent.start()
    browser.wait_for("the page is connected again", lambda: "✓ live" in browser.text())


def test_a_refused_route_does_not_read_as_announced(browser: Browser, agent: WholeAgent) -> None:
    operator = agent.operator()
    refused = VipState("refused", owned=True, asked=0)
    record = NodeState("node2", CheckState.UP, vips={"10.0.0.2": refused}, neighbors=1)
    operator.register(key(Kind.STATES, "node2"), record.dump())
    open_page(browser, agent)
    browser.wait_for(
        "the problem is displayed", lambda: "ExaBGP has not accepted the route" in browser.text()
    )
    text = browser.text()
    assert "node2 asked for rank 0, not accepted: refused" in text
    assert "✕ refused" in text
    assert "→ correct neighbor, next_hop or the attributes of the service" in text
    assert browser.evaluate("document.title").startswith("✕ ")
    operator.close(5.0)
