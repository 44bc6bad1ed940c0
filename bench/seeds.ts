/**
 * The table of the README: whole default runs for several seeds, one after another, each timed from data to table.
 * `npm run bench:seeds -- --seeds 1,2,3 --json bench/results/tiny-seeds.json --readme`
 * Runs go to `--runs FOLDER`; a seed whose run is complete there is read, not run again, an incomplete one goes on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { describeDevice, openDevice } from '../core/index.js';
import type { DeviceChoice } from '../core/index.js';
import type { PresetName } from '../models/index.js';
import { resolveConfig } from '../mgsd/config.js';
import { readJson, writeFileAtomic, writeJson } from '../mgsd/files.js';
import { RunFolder } from '../mgsd/run-folder.js';
import { formatEstimate, rowTitles } from '../mgsd/table.js';
import type { RowName, TableRow } from '../mgsd/table.js';
import { stageNames, train } from '../mgsd/train.js';
import type { TrainObserver } from '../mgsd/train.js';

interface SeedResult {
  readonly seed: number;
  /** From data to table, without the baseline; undefined if the run was put together from several sittings. */
  readonly minutes: number | undefined;
  readonly rows: readonly TableRow[];
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    preset: { type: 'string', default: 'tiny' },
    device: { type: 'string', default: 'auto' },
    direct: { type: 'boolean', default: false },
    runs: { type: 'string', default: 'runs/bench-seeds' },
    json: { type: 'string' },
    readme: { type: 'boolean', default: false },
  },
});
const preset = values.preset as PresetName;
const seeds = values.seeds.split(',').map(Number);

async function runSeed(seed: number): Promise<SeedResult> {
  const root = path.join(values.runs, `${preset}-seed${seed}`);
  const finished = path.join(root, 'seed-result.json');
  const before = existsSync(finished) ? (readJson(finished) as SeedResult) : undefined;
  const missing = stageNames.filter(stage =>
    stage === 'direct' ? values.direct && !hasRow(before, 'direct') : !before,
  );
  if (before && missing.length === 0) return before;
  const config = resolveConfig(preset, { seed });
  const device = await openDevice(values.device as DeviceChoice);
  console.log(`seed ${seed} on ${describeDevice(device.capabilities)}`);
  const resume = RunFolder.isRun(root);
  const options = { stages: stageNames, warn: (line: string) => { console.log(line); } }; // prettier-ignore
  const folder = resume ? RunFolder.open(root, options) : RunFolder.create(root, config, options);
  const started = performance.now();
  const minutes = () => (performance.now() - started) / 60000;
  const observer: TrainObserver = {
    onRow: (row, items) => {
      const success = items.filter(item => item.success).length / items.length;
      console.log(`  ${minutes().toFixed(1)} min  ${row}: ${(100 * success).toFixed(1)} %`);
    },
  };
  let result = before;
  if (!before) {
    const rows = await train({ config, device, folder, stages: ['stage0', 'stage1', 'stage2'], resume, observer });
    result = { seed, minutes: resume ? undefined : minutes(), rows };
    writeJson(finished, result);
  }
  if (missing.includes('direct')) {
    const rows = await train({ config, device, folder, stages: ['direct'], resume: true, observer });
    result = { ...result!, rows };
    writeJson(finished, result);
  }
  folder.close();
  await device.close();
  return result!;
}

function hasRow(result: SeedResult | undefined, name: RowName): boolean {
  return result?.rows.some(row => row.name === name) ?? false;
}

const results: SeedResult[] = [];
for (const seed of seeds) results.push(await runSeed(seed));

/** Mean over seeds, and the single values. */
function across(name: RowName, pick: (row: TableRow) => number | undefined): string {
  const shares = results.flatMap(({ rows }) => {
    const row = rows.find(candidate => candidate.name === name);
    const value = row && pick(row);
    return value === undefined ? [] : [100 * value];
  });
  if (shares.length === 0) return '–';
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return shares.length === 1
    ? mean.toFixed(1)
    : `**${mean.toFixed(1)}** (${shares.map(share => share.toFixed(1)).join(', ')})`;
}

const present = (Object.keys(rowTitles) as RowName[]).filter(name =>
  results.some(({ rows }) => rows.some(row => row.name === name)),
);
const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
const markdown = [
  line(['row', 'success %', 'optimal %', 'needs a detour %', 'recap exact %', 'gap closed %']),
  '| --- | ---: | ---: | ---: | ---: | ---: |',
  ...present.map(name =>
    line([
      rowTitles[name],
      across(name, row => row.success.value),
      across(name, row => row.optimal.value),
      across(name, row => row.detourSuccess?.value),
      across(name, row => row.recapExact.value),
      across(name, row => row.gapClosed?.value),
    ]),
  ),
].join('\n');
console.log(markdown);
for (const { seed, minutes, rows } of results) {
  const mgsd = rows.find(({ name }) => name === 'mgsd');
  console.log(`seed ${seed}: ${minutes?.toFixed(1) ?? '?'} min, MGSD ${formatEstimate(mgsd?.success ?? null)}`);
}

if (values.json) {
  const machine = { processor: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
  const configs = results.map(({ seed }) => resolveConfig(preset, { seed }));
  writeJson(values.json, {
    date: new Date().toISOString(),
    command: `npm run bench:seeds -- --seeds ${values.seeds}`,
    machine,
    config: configs[0],
    results,
  });
}
if (values.readme) {
  const minutes = results.flatMap(result => result.minutes ?? []);
  const range =
    minutes.length > 0
      ? `${Math.min(...minutes).toFixed(1)} to ${Math.max(...minutes).toFixed(1)} minutes`
      : 'a time that was not taken';
  const items = results[0]!.rows[0]!.items;
  const text = [
    `\`mgsd-lite train\` with its defaults, seeds ${seeds.join(', ')}, ${items} held-out FrozenLake boards (sizes 3 to 5, none of whose hole layouts occurs in`,
    `training), greedy decoding; mean, and each seed in brackets. A run took ${range} on ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}).`,
    'Straight ahead with holes ignored would solve about 63 % of them, and none of those that need a detour.',
    `Raw numbers with intervals: [\`${values.json ?? 'not written'}\`](${values.json ?? '#'}); again by \`npm run bench:seeds\`.`,
    '',
    markdown,
  ].join('\n');
  const readme = readFileSync('README.md', 'utf8');
  const [before, after] = [readme.split('<!-- results:begin -->')[0]!, readme.split('<!-- results:end -->')[1]!];
  writeFileAtomic('README.md', `${before}<!-- results:begin -->\n\n${text}\n\n<!-- results:end -->${after}`);
}
