'use strict';

// Stage `local` is the emulator's. Without this, a forgotten variable would release it to a real account.
module.exports = () => {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  if (/^http:\/\/127\.0\.0\.1:\d+$/.test(endpoint)) return endpoint;
  const error = new Error(
    `stage local goes to the emulator only, and AWS_ENDPOINT_URL is ${endpoint || 'not set'}. ` +
      'Start it with ./shop up, which writes .env.local beside every serverless.yml.'
  );
  error.stack = error.message; // osls prints the stack, which says nothing here
  throw error;
};
