// Maths in Markdown: $$…$$ and \[…\] as blocks, $…$ and \(…\) in lines. marked reads code first, so none of
// these is looked for inside it. KaTeX writes MathML, which browsers draw without fonts of its own.
const blockRules = [/^\$\$([\s\S]+?)\$\$[ \t]*(?:\n+|$)/, /^\\\[([\s\S]+?)\\\][ \t]*(?:\n+|$)/];
const inlineRules = [
  /^\$\$([^\n]+?)\$\$/,
  /^\\\[([^\n]+?)\\\]/,
  /^\\\(([\s\S]+?)\\\)/,
  // As Pandoc has it: "$5 and $6" is money.
  /^\$(?![\s$])((?:\\.|[^$\\\n])*[^\s$\\]|[^\s$\\])\$(?!\d)/,
];
const longestOpenBlock = 4000;

function escapeAttribute(text) {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}

/** Drawn by drawMath once the HTML is on the page. */
function placeholder(token) {
  const tag = token.display ? 'div' : 'span';
  return `<${tag} class="math" data-tex="${escapeAttribute(token.tex)}"></${tag}>`;
}

export const blockMath = {
  name: 'blockMath',
  level: 'block',
  start: (source) => source.match(/^(?:\$\$|\\\[)/m)?.index,
  tokenizer(source) {
    for (const rule of blockRules) {
      const found = rule.exec(source);
      if (found) return {type: 'blockMath', raw: found[0], tex: found[1], display: true};
    }
    return undefined;
  },
  renderer: placeholder,
};

export const inlineMath = {
  name: 'inlineMath',
  level: 'inline',
  start: (source) => source.match(/\$|\\[([]/)?.index,
  tokenizer(source) {
    for (const rule of inlineRules) {
      const found = rule.exec(source);
      if (found) return {type: 'inlineMath', raw: found[0], tex: found[1], display: false};
    }
    return undefined;
  },
  renderer: placeholder,
};

/** Whether the text begins with a block of maths whose end has not come. */
export function isOpenMath(source) {
  if (source.length > longestOpenBlock || !/^\s*(?:\$\$|\\\[)/.test(source)) return false;
  return !blockRules.some((rule) => rule.test(source.trimStart()));
}

export function drawMath(element) {
  for (const place of element.querySelectorAll('.math')) {
    const tex = place.dataset.tex ?? '';
    if (!globalThis.katex) {
      place.textContent = tex;
      continue;
    }
    try {
      globalThis.katex.render(tex, place, {output: 'mathml', displayMode: place.tagName === 'DIV',
        throwOnError: true, trust: false, strict: 'ignore', maxExpand: 500, maxSize: 20});
    } catch {
      place.textContent = tex;  // what is no maths after all is shown as it was written
    }
  }
}
