/** Reads of the catalogue. */
import type { paths } from '../generated/api';
import { api, Problem, unwrap } from './api';
import type { Product } from './basket';

export type Query = NonNullable<paths['/products']['get']['parameters']['query']>;

export interface Page {
  items: Product[];
  cursor: string | null;
  total: number | null;
  isExact: boolean;
}

/** Every product as it was read last, for a page that needs its name at once. */
export const known = new Map<string, Product>();

export async function readPage(query: Query, signal: AbortSignal): Promise<Page> {
  const { items, next_cursor, total, total_is_exact } = unwrap(
    await api.GET('/products', { params: { query }, signal }),
  );
  return { items: remembered(items), cursor: next_cursor, total: total ?? null, isExact: total_is_exact ?? true };
}

/** Returns those of the products that can still be read; one that was never sold is simply absent. */
export async function readProducts(skus: string[]): Promise<Product[]> {
  // An API of before 1.2 refuses the parameter, and answers for one product at a time.
  const query = { sku: skus, limit: skus.length } as Query;
  const together = await api.GET('/products', {
    params: { query },
    querySerializer: { array: { style: 'form', explode: false } },
    cache: 'no-store',
  });
  if (together.response.status !== 422) return remembered(unwrap(together).items);
  const found = await Promise.all(skus.map((sku) => readProduct(sku).catch(absent)));
  return found.flatMap((each) => (each && each !== 'unchanged' ? [each.product] : []));
}

/** The categories that something is sold in, by the alphabet. */
export async function readCategories(): Promise<string[]> {
  const listed = await api.GET('/categories' as '/products', { params: { query: { limit: 100 } } });
  // An API of before 1.2 has no such route: then they are those of the first products.
  const { items } = unwrap(
    listed.response.ok ? listed : await api.GET('/products', { params: { query: { limit: 100 } } }),
  );
  return [...new Set(items.flatMap((item) => item.category ?? []))].sort();
}

/** Returns 'unchanged' where the tag still holds. */
export async function readProduct(
  sku: string,
  etag?: string,
): Promise<{ product: Product; etag: string } | 'unchanged'> {
  const headers = etag ? { 'If-None-Match': etag } : {};
  const result = await api.GET('/products/{sku}', { params: { path: { sku } }, headers, cache: 'no-store' });
  if (result.response.status === 304) return 'unchanged';
  const [product] = remembered([unwrap(result)]) as [Product];
  return { product, etag: result.response.headers.get('ETag') ?? '' };
}

function remembered(products: Product[]): Product[] {
  for (const product of products) known.set(product.sku, product);
  return products;
}

function absent(error: unknown): null {
  if (error instanceof Problem && error.status === 404) return null;
  throw error;
}

/** Writes a category as a person would: `coffee-beans` is Coffee beans. */
export function categoryName(category: string): string {
  const words = category.replaceAll('-', ' ');
  return words[0]!.toUpperCase() + words.slice(1);
}
