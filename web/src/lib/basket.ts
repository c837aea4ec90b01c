/** The basket, as a value. Each change of its contents brings another key, so that one key means one order. */
import type { components } from '../generated/api';
import type { Money } from './money';

export type Product = components['schemas']['Product'];

/** A product as it was when it was put in, which is what a change is told against. */
export interface Line {
  sku: string;
  quantity: number;
  name: string;
  category: string | null;
  price: Money;
}

export interface Basket {
  /** The Idempotency-Key under which these lines are reserved, however often the request is sent. */
  key: string;
  lines: Line[];
}

export type Change =
  | { sku: string; kind: 'price'; before: Money; now: Money }
  | { sku: string; kind: 'fewer'; available: number }
  | { sku: string; kind: 'sold-out' }
  | { sku: string; kind: 'gone' };

export const LINES_MAX = 20;
export const QUANTITY_MAX = 1000;

export function empty(key: string): Basket {
  return { key, lines: [] };
}

export function put(basket: Basket, product: Product, quantity: number, key: string): Basket {
  const before = basket.lines.find((line) => line.sku === product.sku);
  const line = lineOf(product, bounded((before?.quantity ?? 0) + quantity, product.available));
  if (before) return { key, lines: basket.lines.map((each) => (each === before ? line : each)) };
  return basket.lines.length < LINES_MAX ? { key, lines: [...basket.lines, line] } : basket;
}

export function lineOf({ sku, name, category, price }: Product, quantity: number): Line {
  return { sku, name, category, price, quantity };
}

/** Puts a line back in its place, as it was. */
export function restore(basket: Basket, line: Line, index: number, key: string): Basket {
  if (basket.lines.some(({ sku }) => sku === line.sku)) return basket;
  return { key, lines: basket.lines.toSpliced(index, 0, line) };
}

export function setQuantity(basket: Basket, sku: string, quantity: number, key: string): Basket {
  if (quantity < 1) return without(basket, sku, key);
  const lines = basket.lines.map((line) => (line.sku === sku ? { ...line, quantity: bounded(quantity) } : line));
  return { key, lines };
}

export function without(basket: Basket, sku: string, key: string): Basket {
  return { key, lines: basket.lines.filter((line) => line.sku !== sku) };
}

/** Gives the basket up once its key is answered, but never what was put in meanwhile. */
export function answered(basket: Basket, reservedKey: string, key: string): Basket {
  return basket.key === reservedKey ? empty(key) : basket;
}

/** Compares the lines with the products as they are now; one that is not among them is no longer sold. */
export function changes(basket: Basket, products: Product[]): Change[] {
  const bySku = new Map(products.map((product) => [product.sku, product]));
  return basket.lines.flatMap((line): Change[] => {
    const { sku, price: before } = line;
    const product = bySku.get(sku);
    if (!product || product.status === 'retired') return [{ sku, kind: 'gone' }];
    if (product.available === 0) return [{ sku, kind: 'sold-out' }];
    const { price: now, available } = product;
    const found: Change[] = [];
    if (before.amount_minor !== now.amount_minor || before.currency !== now.currency)
      found.push({ sku, kind: 'price', before, now });
    if (available < line.quantity) found.push({ sku, kind: 'fewer', available });
    return found;
  });
}

/** Takes today's prices, the quantities that are there, and leaves out what is not sold any more. */
export function accept(basket: Basket, found: Change[], key: string): Basket {
  return found.reduce((now, change) => {
    switch (change.kind) {
      case 'price':
        return {
          key,
          lines: now.lines.map((line) => (line.sku === change.sku ? { ...line, price: change.now } : line)),
        };
      case 'fewer':
        return setQuantity(now, change.sku, change.available, key);
      case 'sold-out':
      case 'gone':
        return without(now, change.sku, key);
    }
  }, basket);
}

export function units(basket: Basket): number {
  return basket.lines.reduce((sum, line) => sum + line.quantity, 0);
}

/** One total for each currency. A reservation takes one currency only. */
export function totals(lines: Line[]): Money[] {
  const sums = new Map<string, number>();
  for (const { price, quantity } of lines)
    sums.set(price.currency, (sums.get(price.currency) ?? 0) + price.amount_minor * quantity);
  return [...sums].map(([currency, amount_minor]) => ({ amount_minor, currency }));
}

/** Reads what a tab of any release has kept; what can't be read is an empty basket. */
export function parse(text: string | null, key: string): Basket {
  try {
    const kept = JSON.parse(text ?? '') as Basket;
    if (typeof kept.key === 'string' && kept.lines.every(isLine)) return kept;
  } catch {
    // It was kept by a release that wrote it in another way, or by nobody.
  }
  return empty(key);
}

function isLine(line: Line): boolean {
  return typeof line.sku === 'string' && line.quantity >= 1 && typeof line.name === 'string' && !!line.price.currency;
}

function bounded(quantity: number, available = QUANTITY_MAX): number {
  return Math.max(1, Math.min(quantity, available, QUANTITY_MAX));
}

/** Makes a UUIDv7, whose time becomes that of the reservation's id: docs/adr/0035-ids-in-order.md says why. */
export function newKey(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}
