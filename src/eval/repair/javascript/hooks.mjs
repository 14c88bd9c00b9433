// How imports of the tests and of the solution are found: './name' is name.js, every .js file is a module, and
// '@jest/globals' is ours.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

export async function resolve(specifier, context, next) {
  if (specifier === '@jest/globals') return { url: new URL('./.run_tests_jest.mjs', import.meta.url).href, shortCircuit: true };
  if (specifier.startsWith('.') && context.parentURL?.startsWith('file:')) {
    const url = new URL(specifier, context.parentURL);
    for (const end of ['', '.js', '/index.js']) {
      const file = new URL(url.href + end);
      if (fs.statSync(fileURLToPath(file), { throwIfNoEntry: false })?.isFile()) return next(file.href, context);
    }
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.js')) return next(url, context);
  return { format: 'module', source: fs.readFileSync(fileURLToPath(url), 'utf8'), shortCircuit: true };
}
