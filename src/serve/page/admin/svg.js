// What charts are made of.
const space = 'http://www.w3.org/2000/svg';

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Round values from 0 to at least `most`, about `wanted` of them. */
export function ticks(most, wanted) {
  const rough = most / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const count = Math.max(1, Math.ceil(most / step - 1e-9));
  return Array.from({length: count + 1}, (_, i) => i * step);
}

export const colours = 8;  // .series-0 to .series-7 of admin.css

/** A sample of a series' line or area, for legends. */
export function swatch(series, isArea) {
  const mark = isArea ? svg('rect', {x: 0, y: 0, width: 12, height: 12, class: `area series-${series}`})
    : svg('line', {x1: 0, y1: 6, x2: 22, y2: 6, class: `line series-${series}`});
  return svg('svg', {class: 'swatch', width: isArea ? 12 : 22, height: 12, 'aria-hidden': 'true'}, mark);
}

/** Calls `draw` whenever the element is another width. */
export function onWidth(element, draw) {
  let width = -1;
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    draw();
  }).observe(element);
}

export const margin = {left: 52, right: 10, top: 8, bottom: 24};

/** An empty plot with lines at round values; `y(value)` is where a value is. */
export function plot(width, height, most, format) {
  const bottom = height - margin.bottom;
  const values = ticks(most, 4);
  const top = values[values.length - 1];
  const y = (value) => bottom - (bottom - margin.top) * (value / top);
  const root = svg('svg', {viewBox: `0 0 ${width} ${height}`, width, height, role: 'img'});
  for (const value of values) {
    root.append(svg('line', {class: 'rule', x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value)}),
      svg('text', {x: margin.left - 6, y: y(value) + 4, 'text-anchor': 'end'}, format(value)));
  }
  return {root, y, left: margin.left, right: width - margin.right, bottom};
}
