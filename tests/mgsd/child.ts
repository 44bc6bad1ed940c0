/**
 * Other processes for tests of locks, crashes and signals: small scripts that use modules of mgsd/ and core/ as they
 * are in the source, which Node 20 cannot load itself, so they are translated (types removed) into a temporary folder
 * first.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const root = path.join(import.meta.dirname, '../..');

/**
 * Writes a script and the modules it uses into a folder.
 * @param modules without their imports' own modules: name those too, as `mgsd/runs/files.ts`
 * @param body JavaScript; it imports from './mgsd/runs/files.js'
 * @returns the script's path
 */
export function writeScript(folder: string, modules: readonly string[], body: string): string {
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  for (const module of modules) {
    const source = fs.readFileSync(path.join(root, module), 'utf8');
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    });
    const target = path.join(folder, module.replace(/\.ts$/, '.js'));
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, outputText);
  }
  const script = path.join(folder, 'script.js');
  fs.writeFileSync(script, body);
  return script;
}

/** Starts a script; its standard output is a pipe, its errors are shown. */
export function start(script: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Waits for the end of a process; returns its exit code, or the signal that ended it. */
export async function ended(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode;
  return await new Promise(resolve => child.once('exit', (code, signal) => resolve(code ?? signal)));
}

/** Waits until a process has printed something. */
export async function printed(child: ChildProcess): Promise<string> {
  return await new Promise(resolve => child.stdout?.once('data', (data: Buffer) => resolve(data.toString())));
}
