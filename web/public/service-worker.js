// Answers a page that can't be fetched with one that says so. It keeps no copy of anything, so nothing can be out of date.

const TEXTS = {
  en: {
    title: 'No connection',
    text: 'The shop can’t be reached just now. Your basket is kept, and a payment that you have begun is not lost.',
    again: 'Try again',
  },
  de: {
    title: 'Keine Verbindung',
    text: 'Der Shop ist gerade nicht erreichbar. Ihr Warenkorb bleibt erhalten, und eine begonnene Zahlung geht nicht verloren.',
    again: 'Noch einmal versuchen',
  },
};

const STYLE = `
  :root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
  body { margin: 0; min-height: 100svh; display: grid; place-content: center; padding: 1.5rem;
    background: light-dark(#faf7f2, #171412); color: light-dark(#1d1a16, #f2ede4); }
  main { max-width: 32rem; }
  h1 { font-size: 2rem; font-weight: 500; margin: 0 0 1rem; }
  a { display: inline-block; padding: 0.75rem 1.5rem; background: #1f4d3a; color: #fff; border-radius: 0.25rem; }
  a:focus-visible { outline: 3px solid light-dark(#1f4d3a, #9cc9b2); outline-offset: 3px; }
`;

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { mode, method, url } = event.request;
  // The request itself would bring the origin of the page that the visitor comes from, such as the bank's.
  if (mode === 'navigate' && method === 'GET') event.respondWith(fetch(url).catch(offline));
});

function offline() {
  const language = self.navigator.language.startsWith('de') ? 'de' : 'en';
  const { title, text, again } = TEXTS[language];
  const page = `<!doctype html>
<html lang="${language}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style>
<main><h1>${title}</h1><p>${text}</p><a href="">${again}</a></main>
</html>`;
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
  return new Response(page, {
    status: 503,
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy },
  });
}
