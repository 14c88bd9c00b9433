// describe, test and expect as Jest 29 defines them, as far as Exercism's tests use them. What is missing fails by name.
import { inspect, isDeepStrictEqual } from 'node:util';

const root = { name: '', parent: null, befores: [], afters: [], once: [], last: [], tests: [], groups: [] };
let here = root;

export function describe(name, body) {
  const group = { ...root, name, parent: here, befores: [], afters: [], once: [], last: [], tests: [], groups: [] };
  here.groups.push(group);
  here = group;
  body();
  here = group.parent;
}
export function test(name, body) {
  here.tests.push({ name, body });
}
function each(rows, define) {
  if (Object.hasOwn(rows, 'raw')) throw new Error('each`table` is not known to this runner');
  return (name, body) =>
    rows.forEach((row) => define(`${name} ${inspect(row)}`, () => body(...(Array.isArray(row) ? row : [row]))));
}
test.each = (rows) => each(rows, test);
test.skip = test.todo = () => {};
test.only = test;
describe.each = (rows) => each(rows, describe);
describe.skip = () => {};
describe.only = describe;
export const it = test;
export const xtest = test;
export const xit = test;
export const xdescribe = describe;
export const beforeEach = (body) => here.befores.push(body);
export const afterEach = (body) => here.afters.push(body);
export const beforeAll = (body) => here.once.push(body);
export const afterAll = (body) => here.last.push(body);

/** toEqual: members that are undefined and classes do not count. */
function bare(value, seen = new Map()) {
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof RegExp) return value;
  if (value instanceof Error) return { message: value.message };
  if (seen.has(value)) return seen.get(value);
  if (value instanceof Set) return new Set([...value].map((each) => bare(each, seen)));
  if (value instanceof Map) return new Map([...value].map(([k, v]) => [bare(k, seen), bare(v, seen)]));
  if (ArrayBuffer.isView(value)) return value;
  const copy = Array.isArray(value) ? new Array(value.length).fill(undefined) : {};
  seen.set(value, copy);
  for (const key of Reflect.ownKeys(value)) {
    if (key === 'length' && Array.isArray(value)) continue;
    if (Array.isArray(value) || value[key] !== undefined) copy[key] = bare(value[key], seen);
  }
  return copy;
}
const equal = (a, b) => isDeepStrictEqual(bare(a), bare(b));
function covers(value, part) {
  if (part === null || typeof part !== 'object') return Object.is(value, part);
  return value !== null && typeof value === 'object' && Reflect.ownKeys(part).every((key) => covers(value[key], part[key]));
}
function throws(value, expected) {
  let error;
  if (value instanceof Rejected) {
    error = value.error;
  } else {
    try {
      value();
      return false;
    } catch (thrown) {
      error = thrown;
    }
  }
  const message = String(error?.message ?? error);
  if (expected === undefined) return true;
  if (typeof expected === 'string') return message.includes(expected);
  if (expected instanceof RegExp) return expected.test(message);
  if (typeof expected === 'function') return error instanceof expected;
  return message === expected.message;
}
class Rejected {
  constructor(error) {
    this.error = error;
  }
}

const matchers = {
  toBe: (a, b) => Object.is(a, b),
  toEqual: equal,
  toStrictEqual: (a, b) => isDeepStrictEqual(a, b),
  toMatchObject: covers,
  toBeNull: (a) => a === null,
  toBeUndefined: (a) => a === undefined,
  toBeDefined: (a) => a !== undefined,
  toBeTruthy: (a) => Boolean(a),
  toBeFalsy: (a) => !a,
  toBeNaN: (a) => Number.isNaN(a),
  toBeCloseTo: (a, b, digits = 2) => Object.is(a, b) || Math.abs(a - b) < 10 ** -digits / 2,
  toBeGreaterThan: (a, b) => a > b,
  toBeGreaterThanOrEqual: (a, b) => a >= b,
  toBeLessThan: (a, b) => a < b,
  toBeLessThanOrEqual: (a, b) => a <= b,
  toBeInstanceOf: (a, b) => a instanceof b,
  toContain: (a, b) => (typeof a === 'string' ? a.includes(b) : [...a].some((each) => Object.is(each, b))),
  toContainEqual: (a, b) => [...a].some((each) => equal(each, b)),
  toHaveLength: (a, b) => a.length === b,
  toHaveProperty: (a, name, ...value) => {
    if (Array.isArray(name) || /[.[]/.test(name)) throw new Error('toHaveProperty() of a path is not known to this runner');
    return name in Object(a) && (value.length === 0 || equal(a[name], value[0]));
  },
  toMatch: (a, b) => (typeof b === 'string' ? a.includes(b) : b.test(a)),
  toThrow: throws,
  toThrowError: throws,
};

function expectation(value, negated) {
  return new Proxy({}, {
    get(_, name) {
      if (name === 'not') return expectation(value, !negated);
      if (name === 'resolves' || name === 'rejects') return later(Promise.resolve(value), name === 'rejects', negated);
      if (!Object.hasOwn(matchers, name)) throw new Error(`expect().${String(name)} is not known to this runner`);
      return (...expected) => {
        if (matchers[name](value, ...expected) !== negated) return;
        const shown = [value instanceof Rejected ? value.error : value, ...expected].map((each) => inspect(each, { depth: 6 }));
        throw new Error(`expect(${shown[0]})${negated ? '.not' : ''}.${name}(${shown.slice(1).join(', ')})`);
      };
    },
  });
}
function later(promise, rejects, negated) {
  const settled = rejects
    ? promise.then((value) => { throw new Error(`resolved to ${inspect(value)}`); }, (error) => new Rejected(error))
    : promise;
  return new Proxy({}, {
    get(_, name) {
      if (name === 'not') return later(promise, rejects, !negated);
      return (...expected) => settled.then((value) =>
        expectation(value instanceof Rejected && !name.startsWith('toThrow') ? value.error : value, negated)[name](...expected));
    },
  });
}
export const expect = (value) => expectation(value, false);

function up(group, which) {
  return group === null ? [] : [...up(group.parent, which), ...group[which]];
}
async function run(group, path, counts) {
  const name = group.name ? [...path, group.name] : path;
  for (const body of group.once) await body();
  for (const each of group.tests) {
    try {
      for (const body of up(group, 'befores')) await body();
      await each.body();
      for (const body of up(group, 'afters').reverse()) await body();
      counts.passed += 1;
    } catch (error) {
      counts.failed += 1;
      console.log(`FAILED ${[...name, each.name].join(' > ')}\n  ${error?.message ?? error}`);
    }
  }
  for (const inner of group.groups) await run(inner, name, counts);
  for (const body of group.last) await body();
}
export async function outcome() {
  const counts = { passed: 0, failed: 0 };
  await run(root, [], counts);
  return counts;
}

Object.assign(globalThis, { describe, test, it, xtest, xit, xdescribe, expect, beforeEach, afterEach, beforeAll, afterAll });
