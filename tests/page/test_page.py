"""The page of a complete agent in Chromium: hostile store contents, narrow windows, a stopped agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page.browser import Browser
from tests.unit.web.agent_process import AgentProcess, key
from vipagent.store.layout import WHOLE_SERVICE, Kind
from vipagent.store.records import Event, Maintenance, NodeState, Registration, VipState
from vipagent.types import CheckState

SCRIPT = "<script>window.hacked = true</script>"
IMAGE = "<img src=x onerror='window.hacked = true'>"
BOLD = "<b>bold</b>&amp;"
LONG = "https://" + "x" * 300
INJECTED = "main :is(script, img, b, svg, iframe, a, style)"
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
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path)
    agent.start()
    agent.wait()
    yield agent
    agent.stop()


@pytest.fixture
def hostile(agent: AgentProcess) -> Iterator[AgentProcess]:
    """The agent's store has hostile content."""
    operator = agent.operator()
    event = Event("2026-01-01T00:00:00.000+00:00", SCRIPT, IMAGE, SCRIPT, BOLD, IMAGE, SCRIPT)
    state = NodeState(
        node=SCRIPT,
        check=CheckState.UP,
        detail=f"{SCRIPT} {LONG}",
        since=IMAGE,
        vips={"10.0.0.2": VipState(reason=IMAGE, rank=0, owned=True)},
        events=(event,),
    )
    operator.register(key(Kind.STATES, "node2"), state.dump())
    operator.register(key(Kind.MEMBERS, "10.0.0.3"), Registration(SCRIPT, IMAGE).dump())
    operator.write(key(Kind.MAINTENANCE, "node3"), Maintenance(IMAGE, SCRIPT, BOLD).dump(), 5.0)
    operator.write(key(Kind.MAINTENANCE, WHOLE_SERVICE), Maintenance(SCRIPT, IMAGE, "soon").dump(), 5.0)
    yield agent
    operator.close(5.0)


def opened(browser: Browser, agent: AgentProcess) -> str:
    page = f"http://127.0.0.1:{agent.port}/"
    browser.open(page)
    browser.wait_for("the page is connected", lambda: "✓ live" in browser.text())
    return page


def test_hostile_names_and_reasons_are_text(browser: Browser, hostile: AgentProcess) -> None:
    page = opened(browser, hostile)
    for text in (SCRIPT, IMAGE, f"rank 0, {IMAGE}", f"in maintenance by {IMAGE}", BOLD, LONG):
        browser.wait_for(text, lambda: text in browser.text())  # noqa: B023
    assert browser.run("window.hacked") is None
    assert browser.run(f"document.querySelectorAll('{INJECTED}').length") == 0
    assert [request for request in browser.requests if not request.startswith(page)] == []
    assert browser.errors == []


def test_script_from_elsewhere_would_not_run(browser: Browser, agent: AgentProcess) -> None:
    """Even if markup were injected, the Content Security Policy blocks it."""
    opened(browser, agent)
    browser.run(
        """
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hacked = 1'>");
        document.body.append(Object.assign(document.createElement("script"), {text: "window.hacked = 2"}));
        """
    )
    browser.wait_for("Chromium complains", lambda: bool(browser.run("1") and len(browser.errors) >= 2))
    assert browser.run("window.hacked") is None
    assert all("Content Security Policy" in error for error in browser.errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_on_a_phone_and_on_a_desk(
    browser: Browser, hostile: AgentProcess, scheme: str, tmp_path: Path
) -> None:
    opened(browser, hostile)
    browser.wait_for("the whole text is shown", lambda: LONG in browser.text())
    browser.wait_for("no row is highlighted", lambda: not browser.run("document.getAnimations().length"))
    for width in (390, 1100):
        browser.look(width, scheme)
        assert browser.run("document.documentElement.scrollWidth") <= width
        contrast, text = browser.run(CONTRAST)
        assert contrast >= 4.5, text
        browser.picture(tmp_path / f"{width}.png")
    dark = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(16, 21, 27)") == (scheme == "dark")


def test_it_says_when_the_agent_is_gone_and_comes_back_by_itself(
    browser: Browser, agent: AgentProcess
) -> None:
    opened(browser, agent)
    agent.stop()
    browser.wait_for("the disconnection is shown", lambda: "✕ disconnected since" in browser.text())
    assert "10.0.0.1" in browser.text()
    agent.start()
    browser.wait_for("it lives again", lambda: "✓ live" in browser.text())
