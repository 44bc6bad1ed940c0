import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeJson } from '../../../mgsd/runs/files.js';
import { encodePng } from '../../../mgsd/pictures/png.js';
import { decodeCheckpoint, decodeSafetensors, encodeCheckpoint, encodeSafetensors } from '../../../models/index.js';
import type { ModelConfig, SafeTensor } from '../../../models/index.js';
import { contentsOf, run, smallConfig, tinyRun, untrainedCheckpoint } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

let checkpoint: Uint8Array;
beforeAll(async () => {
  checkpoint = await untrainedCheckpoint();
});

function writeCheckpoint(name = 'model.safetensors', bytes = checkpoint): string {
  fs.writeFileSync(temporary.file(name), bytes);
  return temporary.file(name);
}

describe('wrong input', () => {
  /** Each writes what it needs into the temporary folder and returns the arguments. */
  const cases: readonly (readonly [
    what: string,
    message: RegExp,
    argv: (file: (name: string) => string) => string[],
  ])[] = [
    ['an unknown command', /unknown command 'tarin'.*train/, () => ['tarin']],
    ['an unknown option', /unknown option '--foo'/, () => ['train', '--foo']],
    ['an unknown stage', /stage9.*Choose from stage0/, () => ['train', '--stage', 'stage9']],
    ['an unknown preset', /huge.*tiny, worlds, small, base/, () => ['train', '--preset', 'huge']],
    ['an unknown device', /tpu.*auto, webgpu, wasm, cpu/, () => ['train', '--device', 'tpu']],
    ['a negative seed', /whole number from 0/, () => ['train', '--seed', '-1']],
    ['half a thread', /whole number from 1 to 256/, () => ['train', '--threads', '0.5']],
    ['a surplus argument', /too many arguments/, () => ['info', 'one', 'two']],
    [
      'a file that no Machine panel saved',
      /package\.json is not what the page's Machine panel saves \(date: /,
      () => ['info', 'package.json'],
    ],
    ['an override without a value', /write path=value/, () => ['train', '--set', 'stage0.steps']],
    ['an unknown setting', /stage0: .*"step"/, () => ['train', '--set', 'stage0.step=3']],
    ['a setting out of range', /stage0\.batch/, () => ['train', '--set', 'stage0.batch=0']],
    [
      'a setting that reaches for the prototype',
      /"__proto__" is no setting/,
      () => ['train', '--set', '__proto__.a=1'],
    ],
    ['a place beyond the end of a list', /tasks/, () => ['train', '--set', 'tasks.7.world=maze']],
    ['a size without a pool', /board size 6.*pool\.6/, () => ['train', '--set', 'tasks.0.levels=[6]']],
    ['wrong generator options', /frozenProbability/, () => ['train', '--set', 'tasks.0.options.frozenProbability=2']],
    [
      'more puzzles than there are',
      /level 2 seems to have only/,
      () => ['train', '--dry-run', '--set', 'tasks.0.levels=[2]', '--set', 'tasks.0.pool.2=60'],
    ],
    ...(['--out', '--dry-run'] as const).flatMap(how =>
      (
        [
          ['one held-out puzzle', /evaluation\.puzzles: .*at least 2/, 'evaluation.puzzles=1'],
          ['a board listed twice', /tasks: frozenlake 3 is listed twice/, 'tasks.0.levels=[3,3]'],
          ['a decay of 1', /optimizer\.beta2: .*take 0\.98/, 'optimizer.beta2=1'],
          ['warm-up as long as the stage', /stage1\.warmup: 4 updates/, 'stage1.warmup=4'],
          ['a floor that a uniform teacher meets', /stage2\.teacherFloor: .*-4\.85/, 'stage2.teacherFloor=-4'],
          [
            'a thousand million puzzles per update',
            /stage0 with 1000000000 puzzles.*stage0\.batch=\d/,
            'stage0.batch=1e9',
          ],
          ['1e9 held-out puzzles', /evaluation\.puzzles: at most 100000/, 'evaluation.puzzles=1e9'],
        ] as const
      ).map(([what, message, set]): [string, RegExp, (file: (name: string) => string) => string[]] => [
        `${what} (${how})`,
        message,
        file => ['train', ...tinyRun, '--set', set, ...(how === '--out' ? [how, file('out')] : [how])],
      ]),
    ),
    [
      'a large batch of stage 2',
      /stage2 with 100000 puzzles.*stage2\.batch=\d/,
      () => ['train', '--dry-run', ...tinyRun, '--set', 'stage2.batch=1e5'],
    ],
    [
      'a batch that the device cannot hold, of ablations',
      /stage0 with 1000000000 puzzles.*stage0\.batch=\d/,
      file => ['ablate', '--rows', 'mgsd', '--out', file('out'), '--set', 'stage0.batch=1e9', '--device', 'wasm'],
    ],
    ['a missing config', /no such file/, file => ['train', '--config', file('none.json')]],
    [
      'a config that is not JSON',
      /not valid JSON \(line 1/,
      file => {
        fs.writeFileSync(file('config.json'), '{"seed": 1,');
        return ['train', '--config', file('config.json')];
      },
    ],
    [
      'a config that is a list',
      /holds no configuration/,
      file => {
        fs.writeFileSync(file('config.json'), '[]');
        return ['train', '--config', file('config.json')];
      },
    ],
    [
      'a config with another preset',
      /contradicts.*base/,
      file => {
        fs.writeFileSync(file('config.json'), '{"preset": "base"}');
        return ['train', '--config', file('config.json'), '--preset', 'small'];
      },
    ],
    [
      'a config with an unknown preset',
      /no preset "toString"/,
      file => {
        fs.writeFileSync(file('config.json'), '{"preset": "toString"}');
        return ['train', '--config', file('config.json')];
      },
    ],
    ['a later stage alone', /stage2 starts from the weights of stage1/, () => ['train', '--stage', 'stage2']],
    [
      'an output folder with something in it',
      /not empty and not a run/,
      file => {
        fs.mkdirSync(file('out'));
        fs.writeFileSync(file('out/thesis.tex'), 'years of work');
        return ['train', '--out', file('out'), ...tinyRun];
      },
    ],
    [
      'a new run in the folder of a run',
      /holds a run already/,
      file => {
        fs.mkdirSync(file('out'));
        writeJson(file('out/config.json'), smallConfig);
        return ['train', '--out', file('out'), ...tinyRun];
      },
    ],
    [
      'a dry run below a file',
      /Cannot make the folder .*: a part of the path is a file/,
      file => {
        fs.writeFileSync(file('file'), '');
        return ['train', '--dry-run', '--out', file('file/out'), ...tinyRun];
      },
    ],
    [
      'a dry run with a name that is too long',
      /Cannot make the folder .*: the name is too long/,
      file => ['train', '--dry-run', '--out', file('x'.repeat(300)), ...tinyRun],
    ],
    [
      'a dry run in the folder of a run',
      /holds a run already/,
      file => {
        fs.mkdirSync(file('out'));
        writeJson(file('out/config.json'), smallConfig);
        return ['train', '--dry-run', '--out', file('out'), ...tinyRun];
      },
    ],
    [
      'a model of a million blocks',
      /layers is 1000000, and can be 1024 at most/,
      () => ['train', '--dry-run', '--set', 'model.layers=1e6'],
    ],
    ...(fs.existsSync('/proc/self')
      ? [['puzzles below /proc', /Cannot write \/proc\/x/, () => ['data', 'generate', '--out', '/proc/x']] as const]
      : []),
    [
      'ablations in a file',
      /Cannot make the folder .*: a part of the path is a file/,
      file => {
        fs.writeFileSync(file('file'), '');
        return ['ablate', '--dry-run', '--out', file('file')];
      },
    ],
    ['ablations of a model that cannot be', /width \(7\) must be/, () => ['ablate', '--set', 'model.width=7']],
    [
      'a report of a run with a damaged config',
      /config\.json cannot be used.*not valid JSON/,
      file => {
        fs.writeFileSync(file('config.json'), '{');
        return ['report', file('')];
      },
    ],
    [
      'a report that would be a folder',
      /is not a report: choose another name/,
      file => {
        writeJson(file('config.json'), smallConfig);
        return ['report', file(''), '--no-models', '--out', file('')];
      },
    ],
    [
      'an export of a run',
      /holds no puzzles/,
      file => {
        writeJson(file('config.json'), smallConfig);
        return ['export', 'easy-r1', '--data', file(''), '--out', file('out')];
      },
    ],
    ['going on with nothing', /none: no such file or folder/, file => ['train', '--resume', file('none')]],
    ['going on with something that is no run', /not the folder of a run/, file => ['train', '--resume', file('')]],
    ['going on in another folder', /leave --out/, file => ['train', '--resume', file('a'), '--out', file('b')]],
    [
      'going on with another seed',
      /seed is 1, not 2/,
      file => {
        writeJson(file('config.json'), smallConfig);
        return ['train', '--resume', file(''), '--seed', '2'];
      },
    ],
    [
      'going on with another schedule',
      /stage1\.steps is \d+, not 5/,
      file => {
        writeJson(file('config.json'), smallConfig);
        return ['train', '--resume', file(''), '--set', 'stage1.steps=5'];
      },
    ],
    [
      'going on with a damaged config',
      /config\.json cannot be used.*not valid JSON/,
      file => {
        fs.writeFileSync(file('config.json'), '{');
        return ['train', '--resume', file('')];
      },
    ],
    ['a checkpoint that is not there', /no such file/, file => ['eval', file('none.safetensors')]],
    ['a folder that is no run', /not the folder of a run/, file => ['eval', file('')]],
    [
      'a run without a checkpoint',
      /no good checkpoint/,
      file => {
        writeJson(file('config.json'), smallConfig);
        return ['eval', file('')];
      },
    ],
    [
      'a checkpoint that is cut off',
      /no usable checkpoint/,
      file => {
        fs.writeFileSync(file('cut.safetensors'), checkpoint.subarray(0, checkpoint.length - 100));
        return ['eval', file('cut.safetensors')];
      },
    ],
    [
      'a foreign file',
      /no usable checkpoint/,
      file => {
        fs.writeFileSync(file('text.safetensors'), 'once upon a time there was a text file');
        return ['plan', '--checkpoint', file('text.safetensors')];
      },
    ],
    [
      'safetensors of somebody else',
      /no checkpoint of mgsd-lite/,
      file => {
        const tensor = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
        fs.writeFileSync(file('other.safetensors'), encodeSafetensors(new Map([['a', tensor]])));
        return ['eval', file('other.safetensors')];
      },
    ],
    [
      'a stage of a single checkpoint',
      /--stage chooses in a run's folder/,
      () => ['eval', writeCheckpoint(), '--stage', 'stage1'],
    ],
    [
      'an unknown input',
      /audio.*image, symbolic, blank, shuffled/,
      () => ['eval', writeCheckpoint(), '--input', 'audio'],
    ],
    [
      'a single puzzle and the picture of another',
      /take two or more/,
      () => ['eval', writeCheckpoint(), '--input', 'shuffled', '--puzzles', '1'],
    ],
    ['no puzzles', /whole number from 1/, () => ['eval', writeCheckpoint(), '--puzzles', '0']],
    [
      'a dump over the checkpoint',
      /is what this command reads/,
      () => ['eval', writeCheckpoint(), '--dump', writeCheckpoint()],
    ],
    [
      'a picture over the picture that it is of, by another name',
      /link\.png is what this command reads/,
      file => {
        fs.writeFileSync(file('image.png'), encodePng({ width: 8, height: 8, data: new Uint8Array(192) }));
        fs.symlinkSync('image.png', file('link.png'));
        return ['plan', file('image.png'), '--checkpoint', writeCheckpoint(), '--png', file('link.png')];
      },
    ],
    [
      'verdicts over the answers',
      /answers\.jsonl is what this command reads/,
      file => {
        fs.writeFileSync(file('answers.jsonl'), '');
        return ['data', 'judge', file(''), '--answers', file('answers.jsonl'), '--items', file('answers.jsonl')];
      },
    ],
    ['stored images of nothing', /name it with --data/, () => ['eval', writeCheckpoint(), '--images', 'stored']],
    [
      'stored images in another style',
      /leave --style out/,
      file => ['eval', writeCheckpoint(), '--images', 'stored', '--data', file(''), '--style', 'held-out'],
    ],
    [
      'a style for symbols',
      /--input symbolic, blank shows none/,
      () => ['eval', writeCheckpoint(), '--input', 'symbolic', '--input', 'blank', '--style', 'held-out'],
    ],
    ['a missing image', /no such file/, file => ['plan', file('none.png'), '--checkpoint', writeCheckpoint()]],
    [
      'an image that is no square',
      /10 x 8 pixels, this model sees squares of 8/,
      file => {
        fs.writeFileSync(file('image.png'), encodePng({ width: 10, height: 8, data: new Uint8Array(240) }));
        return ['plan', file('image.png'), '--checkpoint', writeCheckpoint()];
      },
    ],
    [
      'a JPEG called PNG',
      /a JPEG/,
      file => {
        fs.writeFileSync(file('image.png'), Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0));
        return ['plan', file('image.png'), '--checkpoint', writeCheckpoint()];
      },
    ],
    [
      'a moving picture as APNG',
      /name the file .*plan\.gif/,
      file => ['plan', '--animate', file('plan.apng'), '--checkpoint', writeCheckpoint()],
    ],
    [
      'a board too small for its world',
      /no room for the table/,
      () => ['plan', '--world', 'minibehaviour', '--level', '2', '--checkpoint', writeCheckpoint()],
    ],
    ['samples without a folder', /--out/, () => ['data', 'generate']],
    [
      'samples into a folder with something in it',
      /not empty \(it has thesis\.tex\)/,
      file => {
        fs.writeFileSync(file('thesis.tex'), 'years of work');
        return ['data', 'generate', '--out', file('')];
      },
    ],
    [
      'samples into a file',
      /Cannot make the folder .*: a part of the path is a file/,
      file => {
        fs.writeFileSync(file('thesis.tex'), 'years of work');
        return ['data', 'generate', '--out', file('thesis.tex')];
      },
    ],
    [
      'generator options that are not JSON',
      /--options p=0\.5 is not valid JSON \(line 1, column 1: /,
      file => ['data', 'generate', '--out', file('new'), '--world', 'frozenlake', '--options', 'p=0.5'],
    ],
    [
      'generator options for several worlds',
      /those of one world/,
      file => ['data', 'generate', '--out', file('new'), '--options', '{}'],
    ],
    [
      'generator options that do not exist',
      /frozenProbabilty/,
      file => [
        'data',
        'generate',
        '--out',
        file('new'),
        '--world',
        'frozenlake',
        '--options',
        '{"frozenProbabilty": 0.5}',
      ],
    ],
    [
      'a data set that there is not',
      /Cannot read .*nowhere/,
      file => ['eval', writeCheckpoint(), '--data', file('nowhere')],
    ],
    ['a data set without puzzles', /holds no puzzles/, file => ['eval', writeCheckpoint(), '--data', file('')]],
  ];

  it.each(cases)('%s: one line, exit code 2, nothing written', async (_, message, argv) => {
    const args = argv(name => temporary.file(name));
    const before = contentsOf(temporary.path);
    const { code, err } = await run(...args);
    expect(err).toMatch(message);
    expect(err).toMatch(/^error: [^\n]+$/);
    expect(code).toBe(2);
    expect(contentsOf(temporary.path)).toEqual(before);
  });

  describe('an unfit model', () => {
    type Header = Record<string, string>;
    type Make = (file: string) => void;
    /** A checkpoint with other tensors and metadata; those of version 1 have no checksum. */
    const changed =
      (change: (tensors: Map<string, SafeTensor>, header: Header) => void, version = '1'): Make =>
      file => {
        const { tensors, metadata } = decodeSafetensors(checkpoint);
        const { sha256: _, ...kept } = metadata;
        const header = { ...kept, version };
        const all = new Map(tensors);
        change(all, header);
        fs.writeFileSync(file, encodeSafetensors(all, header));
      };
    const sized = (sizes: Partial<ModelConfig>) =>
      changed((_, header) => {
        header['config'] = JSON.stringify({ ...decodeCheckpoint(checkpoint).config, ...sizes });
      });
    const kinds: Record<string, readonly [message: RegExp, make: Make]> = {
      'not there': [/no such file|no config\.json/, () => {}],
      'a folder': [/no config\.json/, file => fs.mkdirSync(file)],
      'a circle of links': [/Cannot read .*too many symbolic links/, file => fs.symlinkSync(file, file)],
      'a pipe': [/not a regular file|no config\.json/, file => spawnSync('mkfifo', [file])],
      empty: [/0 bytes, too few/, file => fs.writeFileSync(file, '')],
      'a text': [/not a safetensors file/, file => fs.writeFileSync(file, 'longer than a length and a header')],
      'cut off': [/do not lie within/, file => fs.writeFileSync(file, checkpoint.subarray(0, -100))],
      'of another program': [
        /no checkpoint of mgsd-lite/,
        file => fs.writeFileSync(file, encodeSafetensors(new Map(), { format: 'pt' })),
      ],
      'of a newer version': [/version 99.*install a newer/, changed(() => {}, '99')],
      'of other shapes': [/asks for F32 or F16 \[/, sized({ width: 16 })],
      'of another vocabulary': [/64 tokens, and the vocabulary here 128/, sized({ vocabulary: 64 })],
      'of fewer tensors': [/has no tensor "decoder\.head"/, changed(tensors => tensors.delete('decoder.head'))],
      'not finite': [
        /not finite/,
        file => {
          const { parameters, ...rest } = decodeCheckpoint(checkpoint);
          const [name, values] = [...parameters][0]!;
          const broken = new Map(parameters).set(name, values.slice().fill(NaN, 0, 1));
          fs.writeFileSync(file, encodeCheckpoint({ ...rest, parameters: broken }));
        },
      ],
    };
    const commands: Record<string, (file: string) => string[]> = {
      eval: file => ['eval', file],
      plan: file => ['plan', '--checkpoint', file],
      'train --resume': file => ['train', '--resume', file],
      'eval of its run': file => ['eval', path.dirname(file)],
    };
    const cases = Object.keys(kinds).flatMap(kind => Object.keys(commands).map(command => ({ kind, command })));

    it.runIf(process.platform !== 'win32').each(cases)('$kind: $command says so, code 2', async ({ kind, command }) => {
      const [message, make] = kinds[kind]!;
      const file = temporary.file('run/checkpoint-stage2-7.safetensors');
      fs.mkdirSync(temporary.file('run'));
      writeJson(temporary.file('run/config.json'), smallConfig);
      make(file);
      const { code, err } = await run(...commands[command]!(file));
      expect(err).toMatch(command === 'eval of its run' ? /has no good checkpoint/ : message);
      expect(err).toMatch(/^error: [^\n]+$/);
      expect(code).toBe(2);
    });
  });

  it('shows the stack when MGSD_DEBUG asks for it', async () => {
    process.env['MGSD_DEBUG'] = '1';
    try {
      expect((await run('eval', temporary.file('none'))).err).toMatch(/^error: .*\n.*\n +at /s);
    } finally {
      delete process.env['MGSD_DEBUG'];
    }
  });
});
