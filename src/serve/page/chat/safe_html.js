// HTML of others as nodes that can do nothing. The browser's parser reads it into a document that loads and
// runs nothing, and what is on the list below is made anew, element by element: nothing is copied, so there
// is nothing to be smuggled through. (DOMPurify of Debian 12 cannot be used: since its security update
// sanitize() throws "shadowNode is not defined".)
const allowed = new Map(Object.entries({
  P: [], BR: [], HR: [], EM: [], STRONG: [], DEL: [], CODE: [], PRE: ['data-lang'], BLOCKQUOTE: [], UL: [],
  OL: ['start'], LI: [], TABLE: [], THEAD: [], TBODY: [], TR: [], TH: ['align'], TD: ['align'], H1: [], H2: [],
  H3: [], H4: [], H5: [], H6: [], A: ['href'], SPAN: ['class', 'data-tex'], DIV: ['class', 'data-tex'],
  SUB: [], SUP: [], KBD: [],
}));
const dropped = new Set(['SCRIPT', 'STYLE', 'TEMPLATE', 'IFRAME', 'OBJECT', 'SVG', 'MATH', 'NOSCRIPT', 'TITLE']);
const safeLink = /^(?:https?:\/\/|mailto:|#)/i;
const deepest = 100;

function copyAttribute(from, to, name) {
  const value = from.getAttribute(name);
  if (value === null || (name === 'href' && !safeLink.test(value.trim()))) return;
  // Classes for maths and for colours of code; others could dress an answer as a part of the page.
  if (name === 'class' && !/^(?:math|hljs-[\w-]+)(?: hljs-[\w-]+)*$/.test(value)) return;
  to.setAttribute(name, value);
}

function copy(from, to, depth) {
  for (const child of from.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) {
      to.append(child.data);
    } else if (child.nodeType === Node.ELEMENT_NODE && !dropped.has(child.nodeName.toUpperCase())) {
      copyElement(child, to, depth);
    }
  }
}

function copyElement(child, to, depth) {
  const attributes = allowed.get(child.nodeName);
  if (!attributes || depth >= deepest) {
    to.append(depth >= deepest ? child.textContent : '');
    if (depth < deepest) copy(child, to, depth + 1);
    return;
  }
  const element = document.createElement(child.nodeName);
  for (const name of attributes) copyAttribute(child, element, name);
  if (child.nodeName === 'A') Object.assign(element, {target: '_blank', rel: 'noopener noreferrer'});
  copy(child, element, depth + 1);
  to.append(element);
}

export function safeFragment(html) {
  const fragment = document.createDocumentFragment();
  copy(new DOMParser().parseFromString(html, 'text/html').body, fragment, 0);
  return fragment;
}
