'use strict';

const { namePattern, regions } = require('./stages.json');

// The stage's region, which every service asks for. A name that cannot be a stage's ends the deployment here, before AWS is
// asked for anything; packages/cli/src/shop_cli/stage.py says why each rule is there.
module.exports = async ({ resolveVariable }) => {
  const stage = await resolveVariable('sls:stage');
  if (new RegExp(namePattern).test(stage)) return { region: regions[stage] || regions.default };
  const error = new Error(
    `the stage's name is ${stage}, and has to be 1 to 20 lower-case letters and digits, a letter first, ` +
      'without aws, amazon or cognito in it'
  );
  error.stack = error.message; // osls prints the stack, which says nothing here
  throw error;
};
