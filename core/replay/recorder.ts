/**
 * Record and replay. A training step does the same launches again and again; only numbers change, and those lie in
 * device memory. So a step runs eagerly, as it is written, and while it runs its launches are written down; from then
 * on they are repeated without the TypeScript in between: no tensors made, no tape, no memory allocated.
 *
 *     const recorder = new Recorder(device);
 *     for (...) {
 *       optimizer.setRates(rates);
 *       const { loss } = recorder.run('train', { x: { values, shape } }, ({ x }) => {
 *         const loss = mean(square(model(x)));
 *         loss.backward();
 *         optimizer.update();
 *         return { loss };
 *       });
 *       console.log(await loss.item());
 *     }
 *
 * The rule: what changes from step to step goes in through the inputs (or lies in tensors made outside, like
 * parameters); anything else the host writes within the step counts as a constant. A step is traced twice and the
 * traces are compared before one is trusted, so a number left inside that differs in these two runs is an error and
 * not a wrong result. A number that changes only later is not seen: replays keep the one of the second run.
 */
import type { Device, Storage } from '../device.js';
import { Recording } from './recording.js';
import type { Region } from './recording.js';
import { mapHostArrays } from '../tree.js';
import type { Tensors } from '../tree.js';
import { compareTraces, Trace } from './trace.js';

/** How steps are recorded. */
export interface RecorderOptions {
  /** False to run every step eagerly, with the same code. Default true. */
  readonly enabled?: boolean;
  /** Recordings kept; the least recently used goes first. Default 16. */
  readonly capacity?: number;
}

/** Steps of one key that may differ in their launches before the recorder gives up on it. */
const patience = 3;

interface Entry {
  /** Of the last eager step, while there is no recording. */
  trace: Trace | undefined;
  recording: Recording<unknown> | undefined;
  differing: number;
}

/** Records the launches of a step once and replays them. */
export class Recorder {
  readonly device: Device;
  readonly enabled: boolean;
  readonly capacity: number;
  /** By key and shapes; the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #regions: Region[] = [];
  #replays = 0;

  constructor(device: Device, { enabled = true, capacity = 16 }: RecorderOptions = {}) {
    this.device = device;
    this.enabled = enabled;
    this.capacity = capacity;
  }

  /** Recordings there are, steps that were replayed, and bytes that all recordings share or own. */
  get statistics(): { readonly recordings: number; readonly replays: number; readonly bytes: number } {
    const recordings = [...this.#entries.values()].flatMap(({ recording }) => (recording ? [recording] : []));
    return {
      recordings: recordings.length,
      replays: this.#replays,
      bytes: recordings.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /** The launches of all recordings, by key: print them with `formatRecording`. */
  recordings(): ReadonlyMap<string, Pick<Recording<unknown>, 'launches'>> {
    return new Map(
      [...this.#entries].flatMap(([key, { recording }]) => (recording ? [[key, recording] as const] : [])),
    );
  }

  /**
   * Runs a step: eagerly the first two times that a key and these shapes are seen, replayed from then on.
   *
   * Every replay returns the same tensors: read them before the next step. Steps are run eagerly while the device is
   * observed, so that an observer sees every launch.
   * @param key names all that decides which launches `body` does, apart from the inputs' nesting and shapes
   * @param inputs a tree of plain objects and arrays with host arrays as leaves. Integers in it are sizes: another
   *   one is another recording. undefined marks an absent input
   * @param body is given the same tree with tensors; must be synchronous; returns tensors, or arrays and plain
   *   objects of them
   * @throws Error if the step cannot be replayed: it reads back, keeps a tensor, or has a number in it that changes
   */
  run<const I extends object, O>(key: string, inputs: I, body: (inputs: Tensors<I>) => O): O {
    const { device } = this;
    if (!this.enabled || device.observer || device.resultObserver)
      return device.scope(() => body(device.fromHost(inputs)));
    const fullKey = `${key} ${describeInputs(inputs)}`;
    const entry: Entry = this.#entries.get(fullKey) ?? { trace: undefined, recording: undefined, differing: 0 };
    this.#entries.delete(fullKey);
    this.#entries.set(fullKey, entry);
    if (entry.recording && !entry.recording.isValid) {
      entry.recording.dispose(this.#regions);
      entry.recording = entry.trace = undefined;
    }
    if (entry.recording) {
      this.#replays++;
      return entry.recording.run(inputs) as O;
    }
    return this.#runEagerly(fullKey, entry, inputs, body);
  }

  /** Frees all recordings; their results must not be used any more. */
  dispose(): void {
    for (const { recording } of this.#entries.values()) recording?.dispose(this.#regions);
    this.#entries.clear();
  }

  #runEagerly<I extends object, O>(key: string, entry: Entry, inputs: I, body: (inputs: Tensors<I>) => O): O {
    const { device } = this;
    if (device.trace) throw cannotReplay(key, 'it is run within another recorded step');
    const trace = new Trace();
    device.trace = trace;
    try {
      return device.scope(() => {
        const tensors = device.fromHost(inputs);
        for (const storage of device.storagesOf(tensors)) trace.bufferOf(storage)!.role = 'input';
        const result = body(tensors);
        device.trace = undefined;
        const outputs = checkResult(key, trace, result, device);
        const before = entry.trace;
        entry.trace = trace;
        const difference = before && compareTraces(before, trace);
        if (difference?.valuesOnly)
          throw cannotReplay(
            key,
            `${difference.text}: pass what changes between steps as an input, or give steps that differ another key`,
          );
        if (difference && ++entry.differing >= patience) throw cannotReplay(key, difference.text);
        if (before && !difference) {
          for (const storage of outputs) {
            const buffer = trace.bufferOf(storage);
            if (buffer?.role === 'temporary') buffer.role = 'output';
          }
          entry.recording = new Recording(device, trace, tensors, result, this.#regions);
          entry.trace = undefined;
          this.#evict();
        }
        return result;
      });
    } finally {
      device.trace = undefined;
    }
  }

  #evict(): void {
    for (const [key, { recording }] of this.#entries) {
      if (this.#entries.size <= this.capacity) break;
      recording?.dispose(this.#regions);
      this.#entries.delete(key);
    }
  }
}

/** Storages of a step's result. @throws Error if the step did what a replay cannot repeat */
function checkResult(key: string, trace: Trace, result: unknown, device: Device): ReadonlySet<Storage> {
  if (result instanceof Promise)
    throw cannotReplay(key, 'it is asynchronous: do what needs waiting before or after it');
  if (trace.problem !== undefined) throw cannotReplay(key, trace.problem);
  const outputs = device.storagesOf(result);
  for (const storage of trace.made) {
    if (storage.allocation && !outputs.has(storage) && !device.isScoped(storage))
      throw cannotReplay(
        key,
        `a tensor made by ${storage.label} in it is kept beyond its end: make such tensors before the step, or return them`,
      );
  }
  return outputs;
}

function cannotReplay(key: string, reason: string): Error {
  return new Error(`the step "${key}" cannot be recorded: ${reason}`);
}

/** The tree of inputs with dtype and shape at its leaves, such as `{x:f32[3,8],tables:[i32[3,6]]}`. */
function describeInputs(inputs: unknown): string {
  const described = mapHostArrays(
    inputs,
    ({ values, shape = [values.length], dtype = 'f32' }) => `${dtype}[${shape.join()}]`,
  );
  return JSON.stringify(described).replaceAll('"', '');
}
