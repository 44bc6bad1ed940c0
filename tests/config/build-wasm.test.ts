import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileWasm, wasmSections } from '../../.config/build-wasm.mjs';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'mgsd-wasm-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function compile(source: string): Promise<Uint8Array> {
  writeFileSync(path.join(folder, 'entry.as.ts'), source);
  return await compileWasm(folder, 'entry.as.ts', ['simd', 'threads'], 'test.wasm');
}

describe('the WebAssembly build', () => {
  it('compiles pointer code to a library that imports its shared memory and holds no state', async () => {
    const binary = await compile('export function twice(p: usize): void { store<f32>(p, load<f32>(p) * 2); }');
    expect(wasmSections(binary)).not.toContain(11);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
    const { instance } = await WebAssembly.instantiate(binary.slice(), { env: { memory } });
    const values = new Float32Array(memory.buffer);
    values[4] = 1.5;
    const twice = instance.exports['twice'] as (pointer: number) => void;
    twice(16);
    expect(values[4]).toBe(3);
  });

  it('refuses static data, which a second thread would write again', async () => {
    await expect(
      compile('const table: i32[] = [1, 2, 3]; export function at(i: i32): i32 { return table[i]; }'),
    ).rejects.toThrow(/has a (data|start) section/);
  });

  it('shows the compiler message of a broken source', async () => {
    await expect(compile('export function broken(): i32 { return missing; }')).rejects.toThrow(/missing/);
  });
});
