/** The list of products for each set of filters, kept while the shop is open, so that Back finds what it left. */
import { Problem } from './api';
import type { Product } from './basket';
import { minorUnits } from './money';
import { readPage, type Query } from './products';

const PAGE_SIZE = 24;
const PAGE_SIZE_MAX = 100;
/** A list that was longer than this is restored so far; the rest is loaded as at first. */
const RESTORED_MAX = 1000;
/** An amount as the address has it: up to a million, with two digits at most after the full stop. */
const AMOUNT = /^\d{1,6}(\.\d{1,2})?$/;
const SORTS = ['newest', 'price', '-price', 'name', 'relevance'] as const;
export type Sort = (typeof SORTS)[number];

export interface Filters {
  q: string;
  category: string;
  inStock: boolean;
  /** Prices from and to these amounts, in major units. Each may be empty. */
  min: string;
  max: string;
  /** Prices are compared in this currency. It is empty where there are no amounts. */
  currency: string;
  sort: Sort;
}

export function filtersOf(search: string): Filters {
  const given = new URLSearchParams(search);
  const q = (given.get('q') ?? '').slice(0, 100);
  const fallback = q.trim() ? 'relevance' : 'newest';
  const sort = SORTS.find((each) => each === given.get('sort')) ?? fallback;
  const currency = given.get('currency') ?? '';
  const isCurrency = /^[A-Z]{3}$/.test(currency);
  const min = isCurrency ? amountOf(given.get('min') ?? '') : '';
  const max = isCurrency ? amountOf(given.get('max') ?? '') : '';
  return {
    q,
    category: given.get('category') ?? '',
    inStock: given.get('stock') === '1',
    min,
    max,
    currency: min || max ? currency : '',
    sort: sort === 'relevance' ? fallback : sort,
  };
}

/** Returns what somebody has typed as the address has it, or nothing where it is no amount. */
export function amountOf(typed: string): string {
  const amount = typed.trim().replace(',', '.');
  return AMOUNT.test(amount) ? amount : '';
}

export function searchOf({ q, category, inStock, min, max, currency, sort }: Filters): URLSearchParams {
  const search = new URLSearchParams();
  if (q.trim()) search.set('q', q);
  if (category) search.set('category', category);
  if (inStock) search.set('stock', '1');
  if (min) search.set('min', min);
  if (max) search.set('max', max);
  if (min || max) search.set('currency', currency);
  if (sort !== (q.trim() ? 'relevance' : 'newest')) search.set('sort', sort);
  return search;
}

export interface Shelf {
  items: Product[];
  cursor: string | null;
  total: number | null;
  isExact: boolean;
  status: 'loading' | 'ready' | 'failed';
}

const shelves = new Map<string, Shelf>();
let current = new AbortController();

/** Returns the list as it was left, or null. */
export function shelfAsLeft(search: string): Shelf | null {
  return shelves.get(search) ?? null;
}

/**
 * Reads the first page, and as many as a list had that is come back to; of two searches that overlap, only the later
 * one is answered.
 */
export async function fill(search: string, sizeAtLeast = 0): Promise<Shelf | null> {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const size = Math.min(RESTORED_MAX, Math.max(PAGE_SIZE, sizeAtLeast));
  try {
    const limit = Math.min(PAGE_SIZE_MAX, size);
    const page = await readPage({ ...queryOf(filtersOf(search)), limit, total: true }, signal);
    let shelf: Shelf = { ...page, status: 'ready' };
    shelves.set(search, shelf);
    while (shelf.cursor && shelf.items.length < size && !signal.aborted)
      shelf = await extend(search, shelf, Math.min(PAGE_SIZE_MAX, size - shelf.items.length));
    return signal.aborted ? null : shelf;
  } catch (error) {
    if (signal.aborted) return null;
    // A category that nobody could have chosen is nothing found, no failure.
    if (error instanceof Problem && error.status === 422)
      return { items: [], cursor: null, total: 0, isExact: true, status: 'ready' };
    return { items: [], cursor: null, total: null, isExact: true, status: 'failed' };
  }
}

/** Adds the next page. What was sold or listed meanwhile may come twice, and is shown once. */
export async function extend(search: string, shelf: Shelf, limit = PAGE_SIZE): Promise<Shelf> {
  const page = await readPage(
    { ...queryOf(filtersOf(search)), limit, ...(shelf.cursor && { cursor: shelf.cursor }) },
    current.signal,
  );
  const seen = new Set(shelf.items.map((item) => item.sku));
  const items = [...shelf.items, ...page.items.filter((item) => !seen.has(item.sku))];
  const longer: Shelf = { ...shelf, items, cursor: page.cursor };
  shelves.set(search, longer);
  return longer;
}

function queryOf({ q, category, inStock, min, max, currency, sort }: Filters): Query {
  const words = q.trim();
  const [from, to] = min && max && Number(min) > Number(max) ? [max, min] : [min, max];
  return {
    sort,
    ...(words && { q: words }),
    ...(category && { category }),
    ...(inStock && { in_stock: true }),
    ...(from && { price_min: minorUnits(Number(from), currency) }),
    ...(to && { price_max: minorUnits(Number(to), currency) }),
    ...((from || to) && { currency }),
  };
}
