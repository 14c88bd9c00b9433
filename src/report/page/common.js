// Helpers, number formats, and the state of the view that all charts share.
const SVG = 'http://www.w3.org/2000/svg';

/** element('p', {class: 'help'}, 'text', node, ...): text is never parsed as HTML. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svgElement(tag, attributes = {}, text = '') {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

// A page without curves must say why.
addEventListener('error', (event) => {
  document.getElementById('charts').prepend(element('p', {class: 'reason'}, `The curves could not be drawn: ${event.message}`));
});

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** "#rrggbb" -> [r, g, b] */
function rgb(hex) {
  const bits = parseInt(hex.slice(1), 16);
  return [bits >> 16, (bits >> 8) & 255, bits & 255];
}

function mix(from, to, share) {
  return from.map((c, i) => Math.round(c + (to[i] - c) * share));
}

const finite = (v) => v !== null && v !== undefined && Number.isFinite(v);

// ---- numbers as people read them

function withPrefix(value, digits = 3) {
  const size = Math.abs(value);
  for (const [scale, letter] of [[1e12, ' T'], [1e9, ' B'], [1e6, ' M'], [1e3, ' k']]) {
    if (size >= scale * 0.9995) return trim((value / scale).toPrecision(digits)) + letter;
  }
  return trim(value.toPrecision(digits));
}

function trim(text) {
  if (text.includes('e')) return text.replace(/\.?0+e/, 'e');
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function plain(value, digits = 4) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return trim(value.toExponential(digits - 2));
  return trim(value.toPrecision(digits));
}

const percent = (value) => trim((100 * value).toPrecision(3)) + ' %';
const times = (value) => (value < 0.01 ? (value > 0 ? '<0.01' : '0') : value.toPrecision(2)) + '×';
const signed = (value, format) => (value > 0 ? '+' : value < 0 ? '−' : '') + format(Math.abs(value));

function duration(seconds) {
  const s = Math.round(seconds);
  const parts = (big, bigName, small, smallName) => `${big} ${bigName}` + (small ? ` ${String(small).padStart(2, '0')} ${smallName}` : '');
  if (s < 60) return trim(seconds.toPrecision(2)) + ' s';
  if (s < 3600) return parts(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86400) return parts(Math.floor(s / 3600), 'h', Math.floor(s / 60) % 60, 'min');
  return parts(Math.floor(s / 86400), 'd', Math.floor(s / 3600) % 24, 'h');
}

const X_AXES = {
  step: {name: 'Steps', format: (v) => withPrefix(v, 4), exact: (v) => `step ${v}`},
  tokens: {name: 'Tokens', format: (v) => withPrefix(v), exact: (v) => `${withPrefix(v, 4)} tokens`},
  seconds: {name: 'Time', format: duration, exact: duration},
};

// ---- what the reader has chosen; kept when the page loads itself again

const view = {
  xAxis: 'step', xLog: false, smoothing: null, zoom: null, hover: null, live: true, toggles: {},
  listeners: [],
  /** Redraws everything that depends on the view. */
  changed() {
    this.save();
    for (const listener of this.listeners) listener('view');
  },
  /** Moves the cursor of all charts to an x of the current axis; null hides it. */
  point(x, source) {
    this.hover = x;
    for (const listener of this.listeners) listener('hover', source);
  },
  key: 'fathom-report ' + location.pathname,
  save() {
    const {xAxis, xLog, smoothing, zoom, live, toggles} = this;
    try {
      sessionStorage.setItem(this.key, JSON.stringify({xAxis, xLog, smoothing, zoom, live, toggles}));
    } catch (error) { /* storage may be off for files: then the choice lasts until the next load */ }
  },
  load() {
    try {
      Object.assign(this, JSON.parse(sessionStorage.getItem(this.key)) || {});
    } catch (error) { /* as above */ }
  },
};

/** A button that is on or off; `key` names its state in view.toggles. */
function toggle(key, text, title, initially, act) {
  const on = () => view.toggles[key] ?? initially;
  const button = element('button', {type: 'button', 'aria-pressed': on(), title}, text);
  button.addEventListener('click', () => {
    view.toggles[key] = !on();
    button.setAttribute('aria-pressed', on());
    view.save();
    act(on());
  });
  return button;
}

/** The bar over the charts: the axis, smoothing, zoom, and whether the page follows its run. */
function buildToolbar(points) {
  const bar = document.getElementById('toolbar');
  const inner = element('div');
  const axes = element('span', {class: 'group', role: 'group', 'aria-label': 'horizontal axis'});
  for (const [key, axis] of Object.entries(X_AXES)) {
    const button = element('button', {type: 'button', 'aria-pressed': view.xAxis === key}, axis.name);
    button.addEventListener('click', () => {
      view.xAxis = key;
      view.zoom = null;
      for (const other of axes.children) other.setAttribute('aria-pressed', other === button);
      view.changed();
    });
    axes.append(button);
  }
  const log = element('button', {type: 'button', 'aria-pressed': view.xLog, title: 'Logarithmic horizontal axis'}, 'log x');
  log.addEventListener('click', () => {
    view.xLog = !view.xLog;
    log.setAttribute('aria-pressed', view.xLog);
    view.changed();
  });
  if (view.smoothing === null) view.smoothing = points < 40 ? 0 : points < 200 ? 0.6 : 0.9;
  const slider = element('input', {type: 'range', min: 0, max: 0.99, step: 0.01, value: view.smoothing});
  const shown = element('output', {}, view.smoothing.toFixed(2));
  slider.addEventListener('input', () => {
    view.smoothing = Number(slider.value);
    shown.textContent = view.smoothing.toFixed(2);
    view.changed();
  });
  const reset = element('button', {type: 'button', title: 'Or double-click a chart'}, 'Reset zoom');
  reset.addEventListener('click', () => {
    view.zoom = null;
    view.changed();
  });
  const showReset = () => { reset.hidden = !view.zoom; };
  view.listeners.push(showReset);
  showReset();
  inner.append(axes, log, element('label', {}, 'Smoothing', slider, shown), reset);
  if (Number(document.body.dataset.reloadS) > 0) {
    const live = element('button', {type: 'button', 'aria-pressed': view.live, title: 'Load the page again while the run goes on'}, 'Follow the run');
    live.addEventListener('click', () => {
      view.live = !view.live;
      live.setAttribute('aria-pressed', view.live);
      view.save();
    });
    inner.append(live);
  }
  inner.append(element('span', {class: 'none hint'}, 'Drag in a chart to zoom, double-click to go back.'));
  bar.append(inner);
  bar.hidden = false;
}

/** Loads the page again while its run is alive, nobody is pointing at it and it is looked at. */
function followRun() {
  const reloadS = Number(document.body.dataset.reloadS);
  const generated = Number(document.body.dataset.generated);
  for (const stamp of document.querySelectorAll('time[data-unix]')) {
    const date = new Date(Number(stamp.dataset.unix) * 1000);
    if (date > 0) stamp.textContent = date.toLocaleString([], {dateStyle: 'medium', timeStyle: 'short'});
  }
  if (!(reloadS > 0)) return;
  let lastTouch = 0;
  for (const kind of ['pointermove', 'pointerdown', 'keydown', 'wheel', 'touchmove']) {
    addEventListener(kind, () => { lastTouch = Date.now(); }, {passive: true});
  }
  const loaded = Date.now();
  setInterval(() => {
    const ageS = Date.now() / 1000 - generated;
    const stale = document.getElementById('stale');
    if (ageS > Math.max(300, 10 * reloadS)) stale.textContent = ` · no news for ${duration(ageS)}: has the run died?`;
    const quiet = Date.now() - lastTouch > 4000;
    if (view.live && quiet && !document.hidden && Date.now() - loaded > reloadS * 1000) location.reload();
  }, 1000);
}
