/** The list of products for each set of filters, kept while the shop is open, so that Back finds what it left. */
import { Problem } from './api';
import type { Product } from './basket';
import { readPage, type Query } from './products';

const PAGE_SIZE = 24;
const PAGE_SIZE_MAX = 100;
const SORTS = ['newest', 'price', '-price', 'name', 'relevance'] as const;
export type Sort = (typeof SORTS)[number];

export interface Filters {
  q: string;
  category: string;
  inStock: boolean;
  sort: Sort;
}

export function filtersOf(search: string): Filters {
  const given = new URLSearchParams(search);
  const q = (given.get('q') ?? '').slice(0, 100);
  const fallback = q.trim() ? 'relevance' : 'newest';
  const sort = SORTS.find((each) => each === given.get('sort')) ?? fallback;
  return {
    q,
    category: given.get('category') ?? '',
    inStock: given.get('stock') === '1',
    sort: sort === 'relevance' ? fallback : sort,
  };
}

export function searchOf({ q, category, inStock, sort }: Filters): URLSearchParams {
  const search = new URLSearchParams();
  if (q.trim()) search.set('q', q);
  if (category) search.set('category', category);
  if (inStock) search.set('stock', '1');
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

/** Reads the first page; of two searches that overlap, only the later one is answered. */
export async function fill(search: string, sizeAtLeast = 0): Promise<Shelf | null> {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const limit = Math.min(PAGE_SIZE_MAX, Math.max(PAGE_SIZE, sizeAtLeast));
  try {
    const page = await readPage({ ...queryOf(filtersOf(search)), limit, total: true }, signal);
    const shelf: Shelf = { ...page, status: 'ready' };
    shelves.set(search, shelf);
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
export async function extend(search: string, shelf: Shelf): Promise<Shelf> {
  const page = await readPage(
    { ...queryOf(filtersOf(search)), limit: PAGE_SIZE, ...(shelf.cursor && { cursor: shelf.cursor }) },
    current.signal,
  );
  const seen = new Set(shelf.items.map((item) => item.sku));
  const items = [...shelf.items, ...page.items.filter((item) => !seen.has(item.sku))];
  const longer: Shelf = { ...shelf, items, cursor: page.cursor };
  shelves.set(search, longer);
  return longer;
}

function queryOf({ q, category, inStock, sort }: Filters): Query {
  const words = q.trim();
  return { sort, ...(words && { q: words }), ...(category && { category }), ...(inStock && { in_stock: true }) };
}
