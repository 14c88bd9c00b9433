#!/usr/bin/env python3
"""Opens report pages in a headless Chromium, uses every control, and says what does not work.

Usage: check_report_page.py [--chromium BINARY] [--screenshot PNG] PAGE.html...

Not part of the test run, because it needs a browser. Checked: no script error; every chart has a curve and every
map more than one colour; pointing and arrow keys show values; every button and every horizontal axis can be
chosen, and charts are drawn anew for it; nothing is wider than the window of a phone.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Runs in the page after its own script; leaves its verdict in the document, which --dump-dom prints.
CHECK = r"""
<script>
addEventListener('error', (event) => { window.problems.push(`error: ${event.message}`); });
window.problems = [];
setTimeout(() => {
  const problems = window.problems;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const charts = all('.plot svg'), maps = all('canvas');
  const name = (node) => node.getAttribute('aria-label').split(/[,.]/)[0];
  const curves = (svg) => all('path', svg).map((p) => p.getAttribute('d')).join('');
  const point = (node, x, y) => {
    const box = node.getBoundingClientRect();
    node.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true}));
  };
  const key = (node, k) => node.dispatchEvent(new KeyboardEvent('keydown', {key: k, bubbles: true}));
  for (const svg of charts) {
    if (!/L/.test(curves(svg)) && !svg.querySelector('circle')) problems.push(`${name(svg)}: no curve`);
    if (/NaN|undefined|Infinity/.test(svg.outerHTML)) problems.push(`${name(svg)}: NaN in the drawing`);
    const tip = svg.parentNode.querySelector('.tip');
    point(svg, 0.6, 0.5);
    if (tip.hidden || !/\d/.test(tip.textContent)) problems.push(`${name(svg)}: no value where the pointer is`);
    key(svg, 'Escape');
    key(svg, 'ArrowLeft');
    if (!svg.closest('figure').querySelector('[aria-live]').textContent) problems.push(`${name(svg)}: silent to the arrow keys`);
    key(svg, 'Escape');
  }
  for (const canvas of maps) {
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    if (new Set(pixels).size < 2) problems.push(`${name(canvas)}: one colour`);
    point(canvas, 0.5, 0.5);
    const tip = canvas.parentNode.querySelector('.tip');
    if (tip.hidden || !/\d/.test(tip.textContent)) problems.push(`${name(canvas)}: no value where the pointer is`);
  }
  const before = charts.map(curves);
  for (const button of all('#toolbar .group button').reverse()) {
    button.click();
    if (button.getAttribute('aria-pressed') !== 'true') problems.push(`${button.textContent}: not chosen`);
  }
  charts.forEach((svg, i) => { if (curves(svg) !== before[i]) problems.push(`${name(svg)}: another curve after choosing every axis`); });
  const log = all('#toolbar button').find((button) => button.textContent === 'log x');
  log.click();
  charts.forEach((svg, i) => { if (curves(svg) === before[i] && before[i].length > 200) problems.push(`${name(svg)}: not drawn anew`); });
  log.click();
  for (const button of all('figcaption button, .legend button, section > p button, .map-tools button')) { button.click(); button.click(); }
  if (document.documentElement.scrollWidth > innerWidth) problems.push(`${document.documentElement.scrollWidth} pixels wide, the window has ${innerWidth}`);
  document.body.append(Object.assign(document.createElement('pre'), {id: 'verdict', textContent: JSON.stringify({charts: charts.length, maps: maps.length, problems})}));
}, 300);
</script>
"""


def run_chromium(binary, page, width, *options):
    command = [binary, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               "--virtual-time-budget=20000", f"--window-size={width},1000", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


def check(binary, path, width):
    """-> the problems of one page in a window of this width."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "page.html"
        copy.write_text(path.read_text(encoding="utf-8").replace("</body>", CHECK + "</body>"), encoding="utf-8")
        found = re.search(r'<pre id="verdict">(.*?)</pre>', run_chromium(binary, copy, width, "--dump-dom"))
    if not found:
        return ["the page's script did not come to its end"]
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    verdict = json.loads(text)
    print(f"{path}, {width} pixels: {verdict['charts']} charts, {verdict['maps']} maps")
    return verdict["problems"] if verdict["charts"] else ["no chart"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--screenshot", type=pathlib.Path, help="of the first page, 1400 pixels wide")
    args = parser.parse_args()
    if not args.chromium:
        sys.exit("no Chromium; name one with --chromium")
    if args.screenshot:
        run_chromium(args.chromium, args.pages[0].resolve(), 1400, f"--screenshot={args.screenshot}")
    problems = list(dict.fromkeys(f"{page}: {problem}" for page in args.pages for width in (1400, 500)
                for problem in check(args.chromium, page.resolve(), width)))
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
