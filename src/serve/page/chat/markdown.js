// Markdown as it comes. Only the last block can still change: those before it are made once and never
// touched again, so that they can be selected and a long answer costs no more than a short one.
import {copyText, make} from '../shared/dom.js';
import {blockMath, drawMath, inlineMath, isOpenMath} from './math.js';
import {safeFragment} from './safe_html.js';
import {texts} from './texts.js';

const {marked, hljs} = globalThis;
export const canRender = Boolean(marked);

const longestHighlighted = 50000;  // characters; colours of more would hold up the page
const harmlessTag = /^<\/?(?:br|sub|sup|kbd)\s*\/?>$/i;

function escapeHtml(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

const codeTab = '\uE009';

/**
 * marked turns tabs at the beginning of lines into spaces, also in code, where they have to stay. So they
 * are something else in fenced code while it reads. Whatever follows, a beginning stays as it is here.
 */
function prepare(text) {
  let fence = '';
  const lines = text.replace(/\r\n?/g, '\n').split('\n').map((line) => {
    const mark = /^\s*(`{3,}|~{3,})(.*)$/.exec(line);
    if (fence && mark && mark[1].startsWith(fence) && !mark[2].trim()) fence = '';
    else if (!fence && mark && !(mark[1][0] === '`' && mark[2].includes('`'))) fence = mark[1];
    else if (fence) return line.replaceAll('\t', codeTab);
    return line.replace(/^[ \t]+/, (space) => space.replaceAll('\t', '    '));
  });
  return lines.join('\n');
}

function original(code) {
  return code.replaceAll(codeTab, '\t');
}

if (canRender) {
  marked.use({
    gfm: true,
    mangle: false,
    headerIds: false,
    extensions: [blockMath, inlineMath],
    renderer: {
      // HTML of an answer is shown, not obeyed; pictures would tell others what is read here.
      html: (text) => (harmlessTag.test(text.trim()) ? text : escapeHtml(text)),
      image: (href, title, text) => `<a href="${escapeHtml(href ?? '')}">${text || escapeHtml(href ?? '')}</a>`,
      code: (text, info) => `<pre data-lang="${escapeHtml((info ?? '').split(/\s/)[0])}"><code>${escapeHtml(original(text))}</code></pre>`,
      checkbox: (checked) => (checked ? '☑ ' : '☐ '),
    },
  });
}

function highlight(code, language) {
  if (!hljs?.getLanguage(language) || code.textContent.length > longestHighlighted) return;
  const coloured = hljs.highlight(language, code.textContent, true).value;
  code.replaceChildren(safeFragment(coloured));
}

function copyButton(code) {
  const button = make('button', {class: 'copy', type: 'button', onclick: async () => {
    await copyText(code.textContent);
    button.textContent = texts.copied;
    setTimeout(() => { button.textContent = texts.copy; }, 1500);
  }}, texts.copy);
  return button;
}

function finishCode(element, isClosed) {
  for (const pre of element.querySelectorAll('pre')) {
    const code = pre.querySelector('code');
    const language = pre.dataset.lang ?? '';
    const box = make('div', {class: 'code'});
    pre.replaceWith(box);
    pre.tabIndex = 0;
    pre.setAttribute('aria-label', language ? `Code, ${language}` : 'Code');
    pre.setAttribute('role', 'region');
    box.append(make('div', {class: 'code-head'}, make('span', {}, language), copyButton(code)), pre);
    if (isClosed && language) highlight(code, language);
  }
}

function toElement(tokens, isClosed) {
  const block = make('div', {class: 'block'});
  block.append(safeFragment(marked.parser(tokens)));
  for (const table of block.querySelectorAll('table')) {
    const box = make('div', {class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Table'});
    table.replaceWith(box);
    box.append(table);
  }
  finishCode(block, isClosed);
  drawMath(block);
  return block;
}

/** How many of the tokens nothing can change any more: those before the last, which "-" does not tell. */
function finalTokens(tokens, tail) {
  const isUnclear = tail.length - tail.lastIndexOf('\n') < 5;
  const blocks = tokens.flatMap((token, at) => (token.type === 'space' ? [] : [at]));
  return blocks.at(isUnclear ? -2 : -1) ?? 0;
}

/** A text that grows, shown inside `root`. */
export class Markdown {
  constructor(root) {
    this.root = root;
    this.frozen = 0;  // characters of the text that are in blocks which do not change any more
    this.open = null;
    this.openCode = null;  // {node, text}: the code that is still written
    this.shown = null;
  }

  update(text, isWhole) {
    const key = `${isWhole}${text.length}`;
    if (this.shown === key) return;
    this.shown = key;
    if (!canRender) {
      this.root.classList.add('plain');
      this.root.textContent = text;
      return;
    }
    const source = prepare(text);
    const tail = source.slice(this.frozen);
    if (!isWhole && this.growCode(tail)) return;
    // The line end: without one marked sees no code in a fence that is still open.
    const tokens = isOpenMath(tail) && !isWhole ? [] : marked.lexer(`${tail}\n`);
    const end = isWhole ? tokens.length : finalTokens(tokens, tail);
    this.open?.remove();
    this.open = this.openCode = null;
    this.freeze(tokens.slice(0, end), tokens.links);
    if (!isWhole) this.showOpen(tokens.slice(end), source.slice(this.frozen), tokens.links);
  }

  freeze(tokens, links) {
    for (const token of tokens) {
      this.frozen += token.raw.length;
      if (token.type !== 'space') this.root.append(toElement(withLinks([token], links), true));
    }
  }

  showOpen(tokens, source, links) {
    if (tokens.length === 0) {
      this.open = make('div', {class: 'block plain'}, source);
    } else {
      this.open = toElement(withLinks(tokens, links), false);
      if (tokens[0].type === 'code' && tokens[0].raw.startsWith('```')) {
        this.openCode = {node: this.open.querySelector('code'), fence: /^`+/.exec(tokens[0].raw)[0]};
      }
    }
    this.root.append(this.open);
  }

  /** Code that is still open only gets longer: what is there of it stays selected. */
  growCode(tail) {
    if (!this.openCode) return false;
    const body = original(tail.slice(tail.indexOf('\n') + 1));
    if (body.includes(this.openCode.fence)) return false;
    const before = this.openCode.node.textContent;
    if (!body.startsWith(before)) return false;
    if (!this.openCode.node.firstChild) this.openCode.node.append('');
    this.openCode.node.firstChild.appendData(body.slice(before.length));
    return true;
  }
}

function withLinks(tokens, links) {
  tokens.links = links ?? {};
  return tokens;
}
