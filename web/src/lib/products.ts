/** Reads of the catalogue. */
import type { paths } from '../generated/api';
import { api, unwrap } from './api';
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

/** The categories as they were read last, for a page that has to be as high as it was at once. */
export let knownCategories: string[] = [];

export async function readPage(query: Query, signal: AbortSignal): Promise<Page> {
  const { items, next_cursor, total, total_is_exact } = unwrap(
    await api.GET('/products', { params: { query }, signal }),
  );
  return { items: remembered(items), cursor: next_cursor, total: total ?? null, isExact: total_is_exact ?? true };
}

/** The API takes so many SKUs at once. */
const SKUS_MAX = 20;

/** Returns those of the products that can still be bought; any other is simply absent. */
export async function readProducts(skus: string[]): Promise<Product[]> {
  const parts = Array.from({ length: Math.ceil(skus.length / SKUS_MAX) }, (_, part) =>
    skus.slice(part * SKUS_MAX, (part + 1) * SKUS_MAX),
  );
  const pages = await Promise.all(
    parts.map((sku) =>
      api.GET('/products', {
        params: { query: { sku, limit: sku.length } },
        querySerializer: { array: { style: 'form', explode: false } },
        cache: 'no-store',
      }),
    ),
  );
  return pages.flatMap((page) => remembered(unwrap(page).items));
}

/** The categories that something is sold in, by the alphabet. */
export async function readCategories(): Promise<string[]> {
  const { items } = unwrap(await api.GET('/categories', { params: { query: { limit: 100 } } }));
  knownCategories = items.map((item) => item.category);
  return knownCategories;
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

/** Writes a category as a person would: `coffee-beans` is Coffee beans. */
export function categoryName(category: string): string {
  const words = category.replaceAll('-', ' ');
  return words[0]!.toUpperCase() + words.slice(1);
}
