/** The lines of a reservation or purchase, with what a person needs to know them again. */
import type { components } from '../generated/api';
import type { Product } from './basket';
import { known, readProducts } from './products';

/** An API of before 1.2 does not name what was reserved. */
type ReservedLine = components['schemas']['ReservedLine'] & { name?: string | null };

export type NamedLine = ReservedLine & {
  name: string;
  category: string | null;
  image: Product['images'][number] | null;
};

/** Names each line as it was called when it was reserved, else as its product is called now, else by its SKU. */
export async function named(lines: ReservedLine[]): Promise<NamedLine[]> {
  const unknown = lines.map((line) => line.sku).filter((sku) => !known.has(sku));
  // A page without pictures is of more use than none.
  if (unknown.length > 0) await readProducts([...new Set(unknown)]).catch(() => []);
  return namedAtOnce(lines);
}

export function namedAtOnce(lines: ReservedLine[]): NamedLine[] {
  return lines.map((line) => {
    const product = known.get(line.sku);
    return {
      ...line,
      name: line.name ?? product?.name ?? line.sku,
      category: product?.category ?? null,
      image: product?.images[0] ?? null,
    };
  });
}
