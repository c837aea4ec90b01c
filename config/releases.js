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
    this.clients = new Map();
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
    const live = await this.recordLive();
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
    await this.tag(this.packaged);
    const names = await this.releases();
    const releases = await Promise.all(names.map(async (name) => ({ name, ...(await this.tags(name)) })));
    for (const name of unneeded(releases, this.packaged)) await this.remove(name);
  }

  async expectRelease() {
    if (!this.options.timestamp) return;
    const moment = String(new Date(this.options.timestamp).getTime() || Number(this.options.timestamp));
    this.before = await this.recordLive();
    this.target = (await this.releases()).find((name) => name.startsWith(`${moment}-`));
    if (this.target && !(await this.tags(this.target))?.live) {
      throw this.error(`${this.target} was never live: its deployment has failed`);
    }
  }

  async recordRollback() {
    const live = this.target && (await this.live());
    if (!live || live.release !== this.target) return;
    await this.tag(this.target);
    const before = this.target < this.before.release && (await this.tags(this.before.release));
    if (before) await this.tag(this.before.release, { ...before, withdrawn: true });
  }

  /** A release has no tag if its deployment was interrupted after the stack's update, or is older than the tags. */
  async recordLive() {
    const live = await this.live();
    const tags = live && (await this.tags(live.release));
    if (tags && !tags.live) await this.tag(live.release);
    return live;
  }

  async showLive() {
    const live = await this.live();
    if (live) this.log.notice(`Live: ${live.release.split('-')[0]}`);
  }

  /** Returns what the stack's functions were released from, also after an update that CloudFormation has taken back. */
  async live() {
    const cloudFormation = await this.client(CloudFormationClient);
    const stack = new GetTemplateCommand({ StackName: this.provider.naming.getStackName() });
    const { Resources } = JSON.parse((await cloudFormation.send(stack)).TemplateBody);
    const functions = Object.values(Resources).filter((it) => it.Type === 'AWS::Lambda::Function');
    if (!functions.length) return null;
    const key = functions[0].Properties.Code.S3Key;
    const names = functions.map((it) => it.Properties.FunctionName);
    return { release: key.slice(this.prefix.length).split('/')[0], key, names };
  }

  /** `deploy function` gives a function other code than that of its stack. */
  async isReplaced({ key, names }) {
    const lambda = await this.client(LambdaClient);
    const artifact = await this.s3(HeadObjectCommand, { Key: key }).catch(nothing);
    const found = await Promise.all(
      names.map((FunctionName) => lambda.send(new GetFunctionConfigurationCommand({ FunctionName })))
    );
    return found.some(({ CodeSha256 }) => CodeSha256 !== artifact?.Metadata.filesha256);
  }

  /** Returns the names of all releases, the oldest first. */
  async releases() {
    const found = await this.list({ Prefix: this.prefix, Delimiter: '/' }, 'CommonPrefixes');
    const names = found.map(({ Prefix }) => Prefix.slice(this.prefix.length, -1));
    return names.filter((name) => /^\d+-/.test(name)).sort();
  }

  /** Returns null if the release has no template, as after an upload or a clean-up that was interrupted. */
  async tags(name) {
    const found = await this.s3(GetObjectTaggingCommand, { Key: this.prefix + `${name}/${TEMPLATE}` }).catch(nothing);
    return found && Object.fromEntries(found.TagSet.map(({ Key, Value }) => [Key, Value]));
  }

  async tag(name, tags = { live: Date.now() }) {
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

  client(Client) {
    if (!this.clients.has(Client)) {
      this.clients.set(Client, this.provider.getAwsSdkV3Config().then((config) => new Client(config)));
    }
    return this.clients.get(Client);
  }

  error(message) {
    return new this.serverless.classes.Error(message, 'SHOP_RELEASE');
  }
}

/** S3 names a missing object in two ways. */
function nothing(error) {
  if (error.name === 'NoSuchKey' || error.name === 'NotFound') return null;
  throw error;
}

/** Returns the releases that nobody goes back to, of `{name, live}`, where what was never live has failed. What is
 *  newer than `current` is another deployment's, which is still under way. */
function unneeded(releases, current) {
  const failed = releases.filter(({ name, live }) => !live && name < current);
  const succeeded = releases.filter(({ live }) => live).sort((one, other) => other.live - one.live);
  return [...failed, ...succeeded.slice(KEPT)].map(({ name }) => name);
}

module.exports = Releases;
module.exports.unneeded = unneeded;
