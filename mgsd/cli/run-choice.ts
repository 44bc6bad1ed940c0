/** Which run a training is: a new one with a resolved configuration, or an old one that goes on with its own. */
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { PresetName } from '../../models/index.js';
import { configSchema, parseOverride, presets, resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { decodeRunState } from '../runs/checkpoints.js';
import { readFile, readJson } from '../runs/files.js';
import { RunFolder } from '../runs/run-folder.js';
import { parseCheckpointName } from '../runs/store.js';
import type { StageName } from '../method/stages/stage.js';
import { stageBefore, stageNames, stagesOf } from '../runs/order.js';
import { createWorldByName } from '../worlds/registry.js';
import { checkInput, InputError } from './errors.js';

/** Runs go here unless told otherwise. */
export const runsFolder = 'runs';

/** Options that decide a configuration. */
export interface ConfigFlags {
  readonly preset?: PresetName;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly seed?: number;
  readonly precision?: RunConfig['precision'];
  readonly stage?: readonly StageName[];
  readonly direct?: boolean;
}

export interface RunFlags extends ConfigFlags {
  readonly out?: string;
  /** A folder, one of its checkpoints, or true for the newest run. */
  readonly resume?: string | true;
}

export interface RunChoice {
  readonly config: RunConfig;
  readonly stages: readonly StageName[];
  readonly folder: string;
  readonly resume: boolean;
  /** Name of the checkpoint to resume from, instead of the newest. */
  readonly from?: string;
}

/** @throws InputError that names what is wrong or contradicts itself */
export function chooseRun(flags: RunFlags): RunChoice {
  if (flags.resume !== undefined) return resumedRun(flags, flags.resume);
  const config = configFrom(flags);
  const stages = stagesOf(config);
  for (const stage of stages) {
    const before = stageBefore(stage);
    if (before && !stages.includes(before))
      throw new InputError(
        `${stage} starts from the weights of ${before}: add --stage ${before}, or go on with a run that has it (--resume FOLDER --stage ${stage})`,
      );
  }
  return { config, stages, folder: flags.out ?? newFolder(config), resume: false };
}

/** The configuration that the options describe, checked. @throws InputError */
export function configFrom(flags: ConfigFlags): RunConfig {
  const { preset, config: file, set = [], stage, direct } = flags;
  const fromFile = file === undefined ? {} : readConfigFile(file);
  const presetInFile = (fromFile as { preset?: unknown }).preset;
  if (preset !== undefined && presetInFile !== undefined && preset !== presetInFile)
    throw new InputError(
      `--preset ${preset} contradicts ${file ?? ''}, which says ${JSON.stringify(presetInFile)}: leave one out`,
    );
  const base = preset ?? presetInFile ?? 'tiny';
  if (typeof base !== 'string' || !Object.hasOwn(presets, base))
    throw new InputError(
      `configuration: there is no preset ${JSON.stringify(base)}; choose from ${Object.keys(presets).join(', ')}`,
    );
  return checkInput(() => {
    const changes = [fromFile, ...set.map(parseOverride), ownOptions(flags)];
    const config = resolveConfig(base as PresetName, ...changes, stage === undefined ? {} : { stages: [...stage] });
    const checked = direct
      ? { ...config, stages: stageNames.filter(s => s === 'direct' || stagesOf(config).includes(s)) }
      : config;
    for (const task of checked.tasks) createWorldByName(task.world, task.options); // refuses wrong generator options
    return checked;
  });
}

/** Settings that have an option of their own. */
function ownOptions({ seed, precision }: Pick<ConfigFlags, 'seed' | 'precision'>): Partial<RunConfig> {
  return { ...(seed !== undefined && { seed }), ...(precision !== undefined && { precision }) };
}

function readConfigFile(file: string): object {
  const value = checkInput(() => readJson(file));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(`${file} holds no configuration: a JSON object is needed, like {"stage0": {"steps": 1000}}`);
  const { $schema: _, ...config } = value as { $schema?: unknown }; // for editors
  return config;
}

/** `runs/tiny-seed1-20260606-120000`, with a number at the end if that is taken. */
function newFolder({ preset, seed }: RunConfig): string {
  const [day = '', time = ''] = new Date()
    .toISOString()
    .replace(/[-:]|\..*$/g, '')
    .split('T');
  const name = path.join(runsFolder, `${preset}-seed${seed}-${day}-${time}`);
  let candidate = name;
  for (let k = 2; fs.existsSync(candidate); k++) candidate = `${name}-${k}`;
  return candidate;
}

function resumedRun(flags: RunFlags, resume: string | true): RunChoice {
  const { out, stage, direct, ...changes } = flags;
  const file = typeof resume === 'string' && isFile(resume) ? resume : undefined;
  const named = file !== undefined ? path.dirname(file) : typeof resume === 'string' ? resume : undefined;
  if (out !== undefined && named !== undefined && path.resolve(out) !== path.resolve(named))
    throw new InputError(`--resume ${named} goes on in its own folder: leave --out ${out} out`);
  const folder = named ?? out ?? newestRun();
  if (!RunFolder.isRun(folder))
    throw new InputError(`${folder} is not the folder of a run (it has no config.json): check the path of --resume`);
  const stored = storedConfig(folder);
  const asked = changedConfig(stored, changes);
  const different = differences(stored, asked);
  if (different.length > 0)
    throw new InputError(
      `${folder} was begun with another configuration (${different.join('; ')}): leave these options out to go on with it, or start a new run without --resume`,
    );
  const stages = stage ? stageNames.filter(name => stage.includes(name)) : stagesOf(stored);
  return {
    config: stored,
    stages: direct && !stages.includes('direct') ? [...stages, 'direct'] : stages,
    folder,
    resume: true,
    ...(file !== undefined && { from: checkedCheckpoint(file, stored) }),
  };
}

const isFile = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;

/** The name of a checkpoint to resume from, which is read once to see whether it is good. @throws InputError */
function checkedCheckpoint(file: string, config: RunConfig): string {
  const found = parseCheckpointName(path.basename(file), file);
  if (!found)
    throw new InputError(
      `${file} is not named like a checkpoint of a run: give its folder, or a checkpoint-STAGE-STEP.safetensors in it`,
    );
  checkInput(() => decodeRunState(found, readFile(file), config));
  return found.name;
}

/** The configuration that a run was begun with. @throws InputError if its file is broken */
export function storedConfig(folder: string): RunConfig {
  const file = path.join(folder, 'config.json');
  return checkInput(() => {
    const raw = readJson(file);
    const { preset } = configSchema.pick({ preset: true }).loose().parse(raw);
    return resolveConfig(preset, raw);
  }, `${file} cannot be used`);
}

/** What a run's configuration would be with the options that are given now. */
function changedConfig(stored: RunConfig, { preset, config, set = [], ...flags }: ConfigFlags): RunConfig {
  return checkInput(() =>
    resolveConfig(
      stored.preset,
      stored,
      preset === undefined ? {} : { preset },
      config === undefined ? {} : readConfigFile(config),
      ...set.map(parseOverride),
      ownOptions(flags),
    ),
  );
}

/** `seed is 1, not 2` for every value that differs. */
function differences(a: unknown, b: unknown, at = ''): string[] {
  if (isDeepStrictEqual(a, b)) return [];
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return [`${at} is ${JSON.stringify(a)}, not ${JSON.stringify(b)}`];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap(key =>
    differences(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      at === '' ? key : `${at}.${key}`,
    ),
  );
}

/** The run in ./runs that was written to last. @throws InputError if there is none */
export function newestRun(): string {
  const runs = fs.existsSync(runsFolder) ? fs.readdirSync(runsFolder).map(name => path.join(runsFolder, name)) : [];
  const dated = runs.filter(folder => RunFolder.isRun(folder)).map(folder => ({ folder, time: lastChange(folder) }));
  const newest = dated.sort((a, b) => b.time - a.time)[0];
  if (!newest)
    throw new InputError(`there is no run in ${runsFolder}/ to go on with: name its folder, as in --resume FOLDER`);
  return newest.folder;
}

function lastChange(folder: string): number {
  return Math.max(
    ...fs
      .readdirSync(folder)
      .map(name => fs.statSync(path.join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0),
  );
}
