/** Which run a training is: a new one with the configuration that its options describe, or one that is resumed. */
import fs from 'node:fs';
import path from 'node:path';
import type { PresetName } from '../../models/index.js';
import { configSchema, defaultPreset, parseOverride, presets, resolveConfig } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { obstacles } from '../method/obstacles.js';
import type { Obstacle } from '../method/obstacles.js';
import type { StageName } from '../method/stages/stage.js';
import { decodeRunState, differences, requireOwnCheckpoints } from '../runs/checkpoints.js';
import { readFile, readJson } from '../runs/files.js';
import { stageBefore, stageNames, stagesOf } from '../runs/order.js';
import { RunFolder } from '../runs/run-folder.js';
import { parseCheckpointName } from '../runs/store.js';
import { createWorldByName } from '../worlds/registry.js';
import { checkInput, InputError } from './errors.js';
import type { configOptions, Flags } from './options.js';

/** Options that decide a configuration. */
export interface ConfigFlags extends Partial<Flags<typeof configOptions>> {
  readonly seed?: number | undefined;
  readonly precision?: RunConfig['precision'] | undefined;
  readonly stage?: readonly StageName[] | undefined;
  readonly direct?: boolean | undefined;
}

interface RunFlags extends ConfigFlags {
  readonly out?: string | undefined;
  /** A folder, one of its checkpoints, or true for the newest run. */
  readonly resume?: string | true | undefined;
}

export interface RunChoice {
  readonly config: RunConfig;
  readonly stages: readonly StageName[];
  readonly folder: string;
  readonly resume: boolean;
  /** Name of the checkpoint to resume from, instead of the newest. */
  readonly from?: string;
}

/** New runs go here unless --out says otherwise. */
const runsFolder = 'runs';

/** @throws InputError that names what is wrong or contradicts itself */
export function chooseRun(flags: RunFlags): RunChoice {
  if (flags.resume !== undefined) return resumedRun(flags, flags.resume);
  const config = configFrom(flags);
  const stages = stagesOf(config);
  for (const stage of stages) {
    const before = stageBefore(stage);
    if (before && !stages.includes(before))
      throw new InputError(
        `${stage} starts from the weights of ${before}: add --stage ${before}, or resume a run that has it (--resume FOLDER --stage ${stage})`,
      );
  }
  const folder = flags.out ?? newFolder(config);
  checkInput(() => RunFolder.requireNew(folder));
  return { config, stages, folder, resume: false };
}

/**
 * The configuration that the options describe, checked.
 * @param fallback preset where they name none
 * @throws InputError
 */
export function configFrom(flags: ConfigFlags, fallback: PresetName = defaultPreset): RunConfig {
  const { preset, config: file, stage, direct } = flags;
  const [fromFile, ...others] = changesOf(flags);
  const inFile = (fromFile as { preset?: unknown }).preset;
  if (preset !== undefined && inFile !== undefined && preset !== inFile)
    throw new InputError(
      `--preset ${preset} contradicts ${file ?? ''}, which says ${JSON.stringify(inFile)}: leave one out`,
    );
  const base = preset ?? inFile ?? fallback;
  if (typeof base !== 'string' || !Object.hasOwn(presets, base))
    throw new InputError(
      `configuration: there is no preset ${JSON.stringify(base)}; choose from ${Object.keys(presets).join(', ')}`,
    );
  const config = checkInput(() => {
    const resolved = resolveConfig(base as PresetName, fromFile, ...others, { stages: stage });
    for (const task of resolved.tasks) createWorldByName(task.world, task.options); // refuses wrong generator options
    return direct ? { ...resolved, stages: withDirect(stagesOf(resolved)) } : resolved;
  });
  refuse(obstacles(config, stagesOf(config)));
  return config;
}

/** @throws InputError if anything is in the way */
function refuse(inTheWay: readonly Obstacle[]): void {
  const lines = inTheWay.map(({ field, reason }) => `${field}: ${reason}`);
  if (lines.length > 0) throw new InputError(`configuration: ${lines.join('; ')}`);
}

const withDirect = (stages: readonly StageName[]) =>
  stageNames.filter(name => name === 'direct' || stages.includes(name));

/** What the file, --set and options of their own change about a configuration; later ones win. @throws InputError */
function changesOf({ config: file, set = [], seed, precision }: ConfigFlags): readonly [object, ...object[]] {
  const inFile = file === undefined ? {} : readConfigFile(file);
  return [inFile, ...checkInput(() => set.map(parseOverride)), { seed, precision }];
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
  const [day, time] = new Date()
    .toISOString()
    .replaceAll(/[-:]|\..*$/g, '')
    .split('T');
  const name = path.join(runsFolder, `${preset}-seed${seed}-${day}-${time}`);
  let candidate = name;
  for (let k = 2; fs.existsSync(candidate); k++) candidate = `${name}-${k}`;
  return candidate;
}

function resumedRun({ out, stage, direct, ...changes }: RunFlags, resume: string | true): RunChoice {
  const named = resume === true ? undefined : resume;
  const isFile = named !== undefined && (fs.statSync(named, { throwIfNoEntry: false })?.isFile() ?? false);
  const given = isFile ? path.dirname(named) : named;
  if (out !== undefined && given !== undefined && path.resolve(out) !== path.resolve(given))
    throw new InputError(`--resume ${given} continues in its own folder: leave --out ${out} out`);
  const folder = given ?? out ?? newestRun();
  const config = storedConfig(folder);
  const { preset } = changes;
  const asked = checkInput(() => resolveConfig(config.preset, config, { preset }, ...changesOf(changes)));
  const different = differences(config, asked);
  if (different.length > 0)
    throw new InputError(
      `${folder} was begun with another configuration (${different.join('; ')}): leave these options out to continue it, or start a new run without --resume`,
    );
  checkInput(() => requireOwnCheckpoints(RunFolder.read(folder), config));
  const chosen = stage ? stageNames.filter(name => stage.includes(name)) : stagesOf(config);
  const stages = direct ? withDirect(chosen) : chosen;
  // what the other rules refuse has been trained with by an earlier version: such a run may go on
  refuse(obstacles(config, stages).filter(({ field }) => field === 'evaluation.puzzles'));
  return {
    config,
    stages,
    folder,
    resume: true,
    ...(isFile && { from: checkedCheckpoint(named, config) }),
  };
}

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

/** The configuration that a run was begun with. @throws InputError if the folder holds no run, or its file is broken */
export function storedConfig(folder: string): RunConfig {
  if (!fs.existsSync(folder)) throw new InputError(`${folder}: no such file or folder`);
  if (!RunFolder.isRun(folder))
    throw new InputError(`${folder} is not the folder of a run (it has no config.json): check the path`);
  const file = path.join(folder, 'config.json');
  return checkInput(() => {
    const raw = readJson(file);
    const { preset } = configSchema.pick({ preset: true }).loose().parse(raw);
    return resolveConfig(preset, raw);
  }, `${file} cannot be used`);
}

/** The run in ./runs that was written to last. @throws InputError if there is none */
function newestRun(): string {
  const names = fs.existsSync(runsFolder) ? fs.readdirSync(runsFolder) : [];
  const runs = names.map(name => path.join(runsFolder, name)).filter(folder => RunFolder.isRun(folder));
  const time = (file: string) => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const lastChange = (run: string) => Math.max(...fs.readdirSync(run).map(name => time(path.join(run, name))));
  const [newest] = runs.sort((a, b) => lastChange(b) - lastChange(a));
  if (newest === undefined)
    throw new InputError(`there is no run in ${runsFolder}/ to resume: name its folder, as in --resume FOLDER`);
  return newest;
}
