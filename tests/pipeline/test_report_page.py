"""The report in a real browser: it draws, sorts, says nothing on the console, and fits a phone."""

import html
import json
import re
import subprocess

import pytest
import yaml

from pipeline.evidence.analyse import analyse
from tests.unit.analysis.synthetic import write_run

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=120000",
)  # fmt: skip
EARLY = """<script>
window.told = [];
for (const kind of ['error', 'warn']) console[kind] = (...words) => told.push(kind + ': ' + words.join(' '));
addEventListener('error', event => told.push('error: ' + event.message));
addEventListener('unhandledrejection', event => told.push('rejection: ' + event.reason));
</script>"""
LATE = """<script>
{
const wait = async () => {
  while (document.documentElement.dataset.drawn !== 'true') await new Promise(done => setTimeout(done, 50));
  const table = document.querySelector('table[data-rows]');
  const texts = () => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent));
  const heads = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
  const written = texts();
  const overflow = document.documentElement.scrollWidth - innerWidth;
  const at = heads.indexOf('slowdown p99'), button = table.tHead.rows[0].cells[at].querySelector('button');
  button.focus();
  button.click();
  const up = texts(), sort = table.tHead.rows[0].cells[at].getAttribute('aria-sort');
  button.click();
  const down = texts();
  const search = document.querySelector('input[type=search]');
  search.value = 'aggressive';
  search.dispatchEvent(new Event('input'));
  const found = texts();
  const list = document.querySelector('select[data-pick]');
  const before = document.getElementById(list.dataset.pick).querySelector('canvas');
  list.selectedIndex = 1;
  list.dispatchEvent(new Event('change'));
  await new Promise(done => setTimeout(done, 300));
  const result = {told, written, heads, at, up, down, found, sort, overflow, width: innerWidth,
    charts: document.querySelectorAll('[data-chart]').length,
    drawn: document.querySelectorAll('canvas').length,
    repicked: document.getElementById(list.dataset.pick).querySelector('canvas') !== before,
    sections: [...document.querySelectorAll('main section')].map(one => one.id),
    links: [...document.querySelectorAll('nav a')].map(one => one.getAttribute('href').slice(1))};
  parent.postMessage(JSON.stringify(result), '*');
};
wait();
}
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("page") / "threshold" / "abcdef123456", replicates=3)
    # A path without a place to break is what most easily makes a page too wide.
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"outputs": {"folder": "/path" * 30}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    text = analyse(folder).files["report"].read_text()
    start, end = text.replace("<head>", f"<head>{EARLY}", 1).rsplit("</body>", 1)
    probed = f"{start}{LATE}</body>{end}"
    path = folder / "probed.html"
    path.write_text(probed)
    return path


# A headless window is never narrower than 500 pixels, a frame in it is.
FRAME = """<!DOCTYPE html><script>
addEventListener('message', event => {{
  const out = document.createElement('pre');
  out.id = 'seen';
  out.textContent = event.data;
  document.body.append(out);
}});
</script><body><iframe src="probed.html" width={width} height=900 style="border:0"></iframe></body>"""


def seen(browser, page, tmp_path, width):
    """What the probe in the page saw in a window as wide as this."""
    outer = page.with_name(f"frame-{width}.html")
    outer.write_text(FRAME.format(width=width))
    command = [browser, *FLAGS, f"--window-size={width + 100},1000", f"--user-data-dir={tmp_path}/profile"]
    command += ["--dump-dom", outer.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S)
    assert found, "the page's script came to no end"
    return json.loads(html.unescape(found[1]))


def number(cell):
    return float(cell.split("±")[0].replace(",", ""))


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_page_draws_sorts_and_is_quiet(browser, page, tmp_path):
    found = seen(browser, page, tmp_path, 1400)
    assert found["told"] == []
    assert found["charts"] == found["drawn"] > 10
    assert found["repicked"]
    assert found["sections"] == found["links"]
    wanted = ["answer", "asked", "trade-off", "maps", "lane", "decisions", "costs", "spread", "sensitivity"]
    assert found["sections"][: len(wanted)] == wanted
    assert found["sections"][-2:] == ["settings", "again"]
    values = [number(row[found["at"]]) for row in found["up"]]
    assert found["sort"] == "ascending"
    assert values == sorted(values)
    assert values != [number(row[found["at"]]) for row in found["written"]]
    assert [number(row[found["at"]]) for row in found["down"]] == values[::-1]
    # The script writes every number as the page was written with.
    assert sorted(found["up"]) == sorted(found["written"])
    assert [row[1] for row in found["found"]] == ["aggressive"]
    assert found["overflow"] <= 0


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_page_fits_a_phone(browser, page, tmp_path):
    found = seen(browser, page, tmp_path, 390)
    assert found["width"] == 390
    assert found["overflow"] <= 0
    assert found["told"] == []
