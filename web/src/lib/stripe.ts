/**
 * Stripe's own script and fields, for a stage with a key of Stripe: they take the card, so that none of its digits is
 * ever on a page of the shop. https://docs.stripe.com/js
 */
const SCRIPT = 'https://js.stripe.com/v3/';

interface Element {
  mount(place: HTMLElement): void;
  destroy(): void;
}
interface Elements {
  create(type: 'payment'): Element;
  submit(): Promise<{ error?: { message?: string } }>;
}
export interface Stripe {
  elements(options: object): Elements;
  createPaymentMethod(options: { elements: Elements }): Promise<{
    paymentMethod?: { id: string };
    error?: { message?: string };
  }>;
  handleNextAction(options: { clientSecret: string }): Promise<unknown>;
}

// A page makes a policy of a name once, also where the script has to be loaded again.
const policy = (globalThis as { trustedTypes?: TrustedTypePolicyFactory }).trustedTypes?.createPolicy('stripe', {
  createScriptURL: (url: string) => {
    if (url !== SCRIPT) throw new TypeError(`${url} is not Stripe's script`);
    return url;
  },
});
let loading: Promise<Stripe> | undefined;

export function loadStripe(key: string): Promise<Stripe> {
  loading ??= load(key).catch((error: unknown) => {
    loading = undefined; // the next try loads it again
    throw error;
  });
  return loading;
}

async function load(key: string): Promise<Stripe> {
  const script = document.createElement('script');
  script.src = (policy?.createScriptURL(SCRIPT) ?? SCRIPT) as string;
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return (globalThis as unknown as { Stripe: (key: string) => Stripe }).Stripe(key);
}

interface TrustedTypePolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): unknown };
}
