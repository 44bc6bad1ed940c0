/** `mgsd-lite config`: configurations for people and editors. */
import { z } from 'zod';
import { configSchema } from '../method/config.js';
import { writeFileAtomic } from '../runs/files.js';
import { defineCommand, defineGroup } from './command.js';
import { configOptions, option } from './options.js';
import { configFrom } from './run-choice.js';

const showCommand = defineCommand({
  name: 'show',
  summary: 'every setting, after presets and changes',
  options: configOptions,
  examples: [['config show --set stage2.writer=teacher', 'what a run with this change would be']],
  run(flags, { terminal }) {
    terminal.out(JSON.stringify(configFrom(flags), null, 2));
  },
});

const schemaCommand = defineCommand({
  name: 'schema',
  summary: 'a JSON schema of config files, for editors',
  options: { out: option('--out <file>', 'where to write it (default: standard output)') },
  examples: [['config schema --out mgsd-lite.schema.json', 'then "$schema": "./mgsd-lite.schema.json" in the file']],
  run({ out }, { terminal }) {
    const text = JSON.stringify(configFileSchema(), null, 2);
    if (out === undefined) terminal.out(text);
    else writeFileAtomic(out, `${text}\n`);
  },
});

export const configCommand = defineGroup(
  {
    name: 'config',
    summary: 'the settings of a run, and a schema of them for editors',
    examples: [
      ['config show --preset small', 'every setting, as JSON'],
      ['config schema --out mgsd-lite.schema.json', 'a JSON schema; name it as "$schema" in a config file'],
    ],
  },
  [showCommand, schemaCommand],
);

/** The schema of a config file, JSON Schema 2020-12: that of a whole configuration with nothing required. */
export function configFileSchema(): Record<string, unknown> {
  const { properties, ...rest } = withoutRequired(z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema);
  return {
    ...rest,
    title: 'A configuration of mgsd-lite: what differs from the preset',
    properties: { $schema: { type: 'string', description: 'This schema, for editors' }, ...properties },
  };
}

type JsonSchema = Readonly<Record<string, unknown>> & { readonly properties?: Readonly<Record<string, JsonSchema>> };

/** A config file's objects are merged into the preset's, so they may leave fields out; objects in lists may not. */
function withoutRequired({ required: _, properties, ...rest }: JsonSchema): JsonSchema {
  if (!properties) return rest;
  const inner = Object.entries(properties).map(([name, schema]) => [name, withoutRequired(schema)] as const);
  return { ...rest, properties: Object.fromEntries(inner) };
}
