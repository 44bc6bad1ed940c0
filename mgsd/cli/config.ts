/** `mgsd-lite config`: configurations for people and editors. */
import type { Command } from 'commander';
import { z } from 'zod';
import { configSchema } from '../method/config.js';
import { writeFileAtomic } from '../runs/files.js';
import { addExamples, several } from './options.js';
import type { CommandContext } from './options.js';
import { configFrom } from './run-choice.js';
import type { ConfigFlags } from './run-choice.js';

export function addConfigCommand(program: Command, context: CommandContext): void {
  const command = program.command('config').summary('the settings of a run, and a schema of them for editors');
  addExamples(command, [
    ['config show --preset small', 'every setting, as JSON'],
    ['config schema --out mgsd-lite.schema.json', 'a JSON schema; name it as "$schema" in a config file'],
  ]);
  const show = command
    .command('show')
    .summary('every setting, after presets and changes')
    .option('--preset <name>', 'sizes and schedules (default: tiny)')
    .option('--config <file>', 'JSON with what differs from the preset')
    .option('--set <path=value>', 'one setting, as in stage0.steps=1000 (may be repeated)', several(String))
    .action((flags: ConfigFlags) => context.terminal.out(JSON.stringify(configFrom(flags), null, 2)));
  addExamples(show, [['config show --set stage2.writer=teacher', 'what a run with this change would be']]);
  const schema = command
    .command('schema')
    .summary('a JSON schema of config files, for editors')
    .option('--out <file>', 'where to write it (default: standard output)')
    .action(({ out }: { out?: string }) => {
      const text = JSON.stringify(configFileSchema(), null, 2);
      if (out === undefined) context.terminal.out(text);
      else writeFileAtomic(out, `${text}\n`);
    });
  addExamples(schema, [['config schema --out mgsd-lite.schema.json', 'then "$schema": "./mgsd-lite.schema.json" in the file']]); // prettier-ignore
}

/** The schema of a config file, JSON Schema 2020-12: as that of a whole configuration, but nothing is required. */
export function configFileSchema(): Record<string, unknown> {
  const whole = z.toJSONSchema(configSchema, { io: 'input' }) as Record<string, unknown>;
  const partial = withoutRequired(whole) as { properties: Record<string, unknown> };
  return {
    ...partial,
    title: 'A configuration of mgsd-lite: what differs from the preset',
    properties: { $schema: { type: 'string', description: 'This schema, for editors' }, ...partial.properties },
  };
}

/** Objects of a config file are merged into the preset's, so each may leave things out; those in lists stand as they are. */
function withoutRequired(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema;
  const { required: _, properties, ...rest } = schema as { required?: unknown; properties?: Record<string, unknown> };
  const inner = properties && Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, withoutRequired(value)])); // prettier-ignore
  return { ...rest, ...(inner && { properties: inner }) };
}
