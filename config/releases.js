'use strict';

// This osls plugin lets the stack say what is live. osls itself takes what was uploaded last for that, which is wrong
// after a rollback and after a deployment that failed: the next `deploy` of the newest code finds "no changes" then
// and leaves the older code live, and what has failed counts among the releases that are kept and can be gone back to.
//
// A release is a folder of the deployment bucket, named by the moment at which it was packaged. Tags of its template
// say since when it was live, and whether it was rolled back. `./shop releases` and `./shop rollback` read them.

const { CloudFormationClient, GetTemplateCommand } = require('@aws-sdk/client-cloudformation');
const { GetFunctionConfigurationCommand, LambdaClient } = require('@aws-sdk/client-lambda');
const {
  DeleteObjectsCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  paginateListObjectsV2,
} = require('@aws-sdk/client-s3');

const KEPT = 5;
const TEMPLATE = 'compiled-cloudformation-template.json';

class Releases {
  constructor(serverless, options, { log }) {
    this.serverless = serverless;
    this.options = options;
    this.log = log;
    this.provider = serverless.getProvider('aws');
    this.hooks = {
      'before:aws:deploy:deploy:createStack': () => this.expectStage(),
      'after:aws:deploy:deploy:checkForChanges': () => this.compareWithLive(),
      'after:aws:deploy:deploy:updateStack': () => this.recordDeployment(),
      'before:rollback:rollback': () => this.expectRelease(),
      'after:rollback:rollback': () => this.recordRollback(),
      'after:deploy:list:log': () => this.showLive(),
    };
  }

  get prefix() {
    return `${this.provider.getDeploymentPrefix()}/${this.serverless.service.service}/${this.provider.getStage()}/`;
  }

  get packaged() {
    return this.serverless.service.package.artifactDirectoryName.slice(this.prefix.length);
  }

  /** A package has the names of its stage in its template, and would replace those of another. */
  expectStage() {
    const { artifactDirectoryName } = this.serverless.service.package;
    if (!artifactDirectoryName.startsWith(this.prefix)) {
      throw this.error(`This was packaged as ${artifactDirectoryName} and can't be deployed as ${this.prefix}`);
    }
  }

  async compareWithLive() {
    const { provider } = this.serverless.service;
    const live = await this.live();
    if (!live) return;
    if (live.release === this.packaged) {
      // CloudFormation would find no change, and osls would then delete the artifacts of the live release.
      if (await this.isReplaced(live)) {
        throw this.error(`A function has other code than its live release, ${live.release}: package it again`);
      }
      provider.shouldNotDeploy = true;
    } else if (provider.shouldNotDeploy) {
      const newest = (await this.releases()).at(-1);
      provider.shouldNotDeploy = live.release === newest && !(await this.isReplaced(live));
    }
  }

  /** Deletes what osls would keep: releases beyond the last that were live, and what has failed before this one. */
  async recordDeployment() {
    const { provider } = this.serverless.service;
    if (provider.shouldNotDeploy || provider.deploymentWithEmptyChangeSet) return;
    await this.tag(this.packaged, { live: Date.now() });
    const tagged = await Promise.all((await this.releases()).map(async (name) => ({ name, ...(await this.tags(name)) })));
    for (const name of unneeded(tagged, this.packaged)) await this.remove(name);
  }

  async expectRelease() {
    if (!this.options.timestamp) return;
    const moment = String(new Date(this.options.timestamp).getTime() || Number(this.options.timestamp));
    this.before = await this.live();
    this.target = (await this.releases()).find((name) => name.startsWith(`${moment}-`));
    if (this.target && !(await this.tags(this.target)).live) {
      throw this.error(`${this.target} was never live: its deployment has failed`);
    }
  }

  async recordRollback() {
    const live = this.target && (await this.live());
    if (!live || live.release !== this.target) return;
    await this.tag(this.target, { live: Date.now() });
    if (this.target < this.before.release) {
      await this.tag(this.before.release, { ...(await this.tags(this.before.release)), withdrawn: true });
    }
  }

  async showLive() {
    const live = await this.live();
    if (live) this.log.notice(`Live: ${live.release.split('-')[0]}`);
  }

  /** Returns what the stack's functions were released from, also after an update that CloudFormation has taken back. */
  async live() {
    const StackName = this.provider.naming.getStackName();
    const { TemplateBody } = await (await this.client(CloudFormationClient)).send(new GetTemplateCommand({ StackName }));
    const functions = Object.values(JSON.parse(TemplateBody).Resources).filter((it) => it.Type === 'AWS::Lambda::Function');
    if (!functions.length) return null;
    const key = functions[0].Properties.Code.S3Key;
    const names = functions.map((it) => it.Properties.FunctionName);
    return { release: key.slice(this.prefix.length).split('/')[0], key, names };
  }

  /** `deploy function` gives a function other code than that of its stack. */
  async isReplaced({ key, names }) {
    const lambda = await this.client(LambdaClient);
    const { Metadata } = await this.s3(HeadObjectCommand, { Key: key });
    const found = await Promise.all(
      names.map((FunctionName) => lambda.send(new GetFunctionConfigurationCommand({ FunctionName })))
    );
    return found.some(({ CodeSha256 }) => CodeSha256 !== Metadata.filesha256);
  }

  /** Returns the names of all releases, the oldest first. */
  async releases() {
    const found = await this.list({ Prefix: this.prefix, Delimiter: '/' }, 'CommonPrefixes');
    const names = found.map(({ Prefix }) => Prefix.slice(this.prefix.length, -1));
    return names.filter((name) => /^\d+-/.test(name)).sort();
  }

  async tags(name) {
    const { TagSet } = await this.s3(GetObjectTaggingCommand, { Key: this.prefix + `${name}/${TEMPLATE}` });
    return Object.fromEntries(TagSet.map(({ Key, Value }) => [Key, Value]));
  }

  async tag(name, tags) {
    const TagSet = Object.entries(tags).map(([Key, Value]) => ({ Key, Value: String(Value) }));
    await this.s3(PutObjectTaggingCommand, { Key: this.prefix + `${name}/${TEMPLATE}`, Tagging: { TagSet } });
  }

  async remove(name) {
    const found = await this.list({ Prefix: this.prefix + `${name}/` }, 'Contents');
    await this.s3(DeleteObjectsCommand, { Delete: { Objects: found.map(({ Key }) => ({ Key })) } });
  }

  async list(parameters, field) {
    const found = [];
    const Bucket = await this.bucket();
    const client = await this.client(S3Client);
    for await (const page of paginateListObjectsV2({ client }, { Bucket, ...parameters })) {
      found.push(...(page[field] || []));
    }
    return found;
  }

  async s3(Command, parameters) {
    return (await this.client(S3Client)).send(new Command({ Bucket: await this.bucket(), ...parameters }));
  }

  bucket() {
    return (this.bucketName ??= this.provider.getServerlessDeploymentBucketName());
  }

  async client(Client) {
    return new Client(await this.provider.getAwsSdkV3Config());
  }

  error(message) {
    return new this.serverless.classes.Error(message, 'SHOP_RELEASE');
  }
}

/** Returns the releases that nobody goes back to, of `{name, live}`, where what was never live has failed. What is newer
 *  than `current` is another deployment's, which is still under way. */
function unneeded(releases, current) {
  const failed = releases.filter(({ name, live }) => !live && name < current);
  const succeeded = releases.filter(({ live }) => live).sort((one, other) => other.live - one.live);
  return [...failed, ...succeeded.slice(KEPT)].map(({ name }) => name);
}

module.exports = Releases;
module.exports.unneeded = unneeded;
