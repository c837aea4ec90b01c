/** What is said to those who hear the page, once, when it happens. */
let said = $state('');

export const announcement = {
  get text() {
    return said;
  },
};

export function announce(text: string): void {
  said = '';
  // An element that is emptied and filled at once is not read again where the text is the same.
  setTimeout(() => (said = text), 50);
}
