'use strict';

const { emulated } = require('./stages.json');

// A stage of the emulator goes nowhere else, and every other stage to AWS. Without this, a variable that was forgotten, or
// that ./shop env has left in the shell, would release the one to the other.
module.exports = async ({ resolveVariable }) => {
  const stage = await resolveVariable('sls:stage');
  if (stage === 'offline') return 'none';
  const endpoint = process.env.AWS_ENDPOINT_URL;
  if (!emulated.includes(stage)) {
    const [name, url] =
      Object.entries(process.env).find(([key, value]) => key.startsWith('AWS_ENDPOINT_URL') && isLocal(value)) ?? [];
    if (!name) return 'that of AWS'; // osls takes null for a value that is missing
    throw refusal(`stage ${stage} goes to AWS, and ${name} is ${url}. Run eval "$(./shop env --unset)" first.`);
  }
  if (/^http:\/\/127\.0\.0\.1:\d+$/.test(endpoint)) return endpoint;
  throw refusal(
    `stage ${stage} goes to the emulator only, and AWS_ENDPOINT_URL is ${endpoint || 'not set'}. ` +
      'For stage local, ./shop up starts it and writes .env.local beside every serverless.yml.'
  );
};

function isLocal(url) {
  return /^https?:\/\/(127\.|localhost[:/]|localhost$|\[::1\])/.test(url);
}

function refusal(text) {
  const error = new Error(text);
  error.stack = error.message; // osls prints the stack, which says nothing here
  return error;
}
