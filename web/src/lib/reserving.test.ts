import { expect, test } from 'vitest';
import { Problem } from './api';
import { refusal } from './reserving';

function problem(status: number, type: string, body = {}): Problem {
  return new Problem(status, type, '', body, null, null);
}

test('what is short is told line by line', () => {
  const lines = [
    { sku: 'A', requested: 3, available: 1 },
    { sku: 'B', requested: 1, available: 0 },
  ];
  expect(refusal(problem(409, 'out-of-stock', { lines }))).toEqual({
    kind: 'changed',
    changes: [
      { sku: 'A', kind: 'fewer', available: 1 },
      { sku: 'B', kind: 'sold-out' },
    ],
  });
  expect(refusal(problem(422, 'unknown-product', { skus: ['C'] }))).toEqual({
    kind: 'changed',
    changes: [{ sku: 'C', kind: 'gone' }],
  });
});

test.each([
  [problem(401, 'gateway'), { kind: 'session-ended' }],
  [problem(429, 'too-many-units'), { kind: 'told', as: 'too-many-units' }],
  [problem(422, 'of-a-later-release'), { kind: 'told', as: 'refused' }],
  [problem(503, 'try-again'), { kind: 'told', as: 'unanswered' }],
  [new Error('no network'), { kind: 'told', as: 'unanswered' }],
])('%s', (error, told) => {
  expect(refusal(error)).toEqual(told);
});
