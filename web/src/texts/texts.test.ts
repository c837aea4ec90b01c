import { expect, test } from 'vitest';
import api from '../generated/api.d.ts?raw';
import { de } from './de';
import { en } from './en';

/** Each text's place, with the number of values that it takes. */
function places(texts: object, path = ''): string[] {
  return Object.entries(texts).flatMap(([key, value]) =>
    typeof value === 'object' ? places(value as object, `${path}${key}.`) : [`${path}${key}/${typeof value}`],
  );
}

test('German and English have the same texts', () => {
  expect(places(de).sort()).toEqual(places(en).sort());
});

test('no text is empty', () => {
  const empty = (texts: object): boolean =>
    Object.values(texts).some((value) => (typeof value === 'object' ? empty(value as object) : value === ''));
  expect(empty(en) || empty(de)).toBe(false);
});

test('each moment that the API may answer has its words', () => {
  const [, moments = ''] = api.match(/@description (`placed`.*), or one of a later release/) ?? [];
  expect(Object.keys(en.purchase.moments).sort()).toEqual([...moments.matchAll(/[\w-]+/g)].map(String).sort());
});

const components = import.meta.glob<string>('../**/*.svelte', { query: '?raw', import: 'default', eager: true });

test.each(Object.entries(components))('%s holds no text', (_, source) => {
  const markup = source.replace(/<script[\s\S]*?<\/script>|<style[\s\S]*?<\/style>|<!--[\s\S]*?-->/g, '');
  const texts =
    withoutBraces(markup)
      .replace(/<[^>]*>/g, ' ')
      .match(/\p{L}{2,}/gu) ?? [];
  const attributes = markup.match(/(aria-label|alt|title|placeholder)="[^"{]*\p{L}[^"]*"/gu) ?? [];
  expect([...texts, ...attributes]).toEqual([]);
});

/** Takes expressions and blocks out, which may nest. */
function withoutBraces(markup: string): string {
  let depth = 0;
  return [...markup]
    .filter((character) => {
      if (character === '{') depth++;
      if (character === '}') depth--;
      return depth === 0 && character !== '}';
    })
    .join('');
}
