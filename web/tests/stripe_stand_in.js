// Stands in for https://js.stripe.com/v3/ as far as its documentation describes what the storefront uses of it:
// https://docs.stripe.com/js. Whatever it is called with that Stripe does not document, it throws at.
(() => {
  const API = 'https://api.stripe.com/v1/payment_methods';
  const OPTIONS = ['mode', 'amount', 'currency', 'paymentMethodCreation', 'paymentMethodTypes', 'locale'];

  function refuse(message) {
    throw Object.assign(new Error(message), { name: 'IntegrationError' });
  }

  function frame(source, place) {
    const made = document.createElement('iframe');
    made.src = source;
    made.title = 'Secure payment input frame';
    made.style.setProperty('width', '100%');
    place.append(made);
    return made;
  }

  function answer(from) {
    return new Promise((resolve) => {
      addEventListener('message', function listen({ source, data }) {
        if (source !== from.contentWindow) return;
        removeEventListener('message', listen);
        resolve(data);
      });
    });
  }

  function elements(options) {
    for (const name of Object.keys(options)) if (!OPTIONS.includes(name)) refuse(`${name} is no option`);
    if (options.mode !== 'payment' || !Number.isInteger(options.amount)) refuse('a payment has an amount');
    if (options.currency !== options.currency.toLowerCase()) refuse('a currency has small letters');
    let card = null;
    let submitted = false;
    return {
      create(type) {
        if (type !== 'payment') refuse(`${type} is not stood in for`);
        return {
          mount(place) {
            // Stripe opens frames on several names below its own.
            card = frame('https://b.js.stripe.com/v3/card.html', place);
          },
          destroy() {
            card.remove();
          },
        };
      },
      async submit() {
        const asked = answer(card);
        card.contentWindow.postMessage('number', '*');
        const number = await asked;
        submitted = true;
        return number.length < 16
          ? { error: { message: 'Your card number is incomplete.' } }
          : { selectedPaymentMethod: 'card' };
      },
      async number() {
        if (!submitted) refuse('elements.submit() has to be called before');
        const asked = answer(card);
        card.contentWindow.postMessage('number', '*');
        return asked;
      },
    };
  }

  window.Stripe = (key) => {
    if (!key.startsWith('pk_')) refuse(`${key} is no publishable key`);
    return {
      elements,
      async createPaymentMethod(given) {
        const body = new URLSearchParams({ type: 'card', number: await given.elements.number() });
        const response = await fetch(API, { method: 'POST', body });
        const found = await response.json();
        return found.error ? { error: found.error } : { paymentMethod: found };
      },
      async handleNextAction({ clientSecret }) {
        const bank = frame(`https://hooks.stripe.com/3d_secure_2/hosted?secret=${clientSecret}`, document.body);
        const result = await answer(bank);
        bank.remove();
        return result === 'complete' ? { paymentIntent: {} } : { error: { message: 'It failed.' } };
      },
    };
  };
})();
