/**
 * Copies that a plan does without. Run eagerly, a step computes a gradient into memory of its own and then copies it to where the
 * optimiser wants it, among all the others. A plan decides where things lie: it lets whatever computes the gradient write there at
 * once, and leaves the copy out. Nothing in ops or optimiser knows of it, and results have the same bits.
 */
import { bytesPerElement, stridedWriteKernel } from '../../kernels/index.js';
import type { Kernel } from '../../kernels/index.js';
import type { Trace, TracedBuffer, TracedLaunch, TracedOperand } from './trace.js';

/** Bytes of a buffer that a launch touches. */
interface Touch {
  /** Position of the launch. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly written: boolean;
}

/** A launch that does nothing but copy a temporary to a place of its own in memory from outside of the step. */
interface Copy {
  readonly at: number;
  /** Range of the temporary, in bytes. */
  readonly from: number;
  readonly to: number;
  readonly target: TracedBuffer;
  /** From a byte of the temporary to its copy's. */
  readonly shift: number;
}

interface Place {
  readonly buffer: TracedBuffer;
  readonly shift: number;
}

/** Where WebGPU lets an operand begin. */
const operandAlignment = 256;
const strided = stridedWriteKernel as unknown as Kernel;

/**
 * The launches of a step without the copies that can be saved, operands moved to where the copies would have put them. A temporary is
 * moved if it lives only for its copies, which lie side by side as it does; if nothing else touches that place in the meantime;
 * and if no launch would then write to one part of a buffer and read another, which WebGPU refuses.
 */
export function withoutCopies({ launches }: Pick<Trace, 'launches'>): TracedLaunch[] {
  const touches = new Map<TracedBuffer, Touch[]>();
  const copies = new Map<TracedBuffer, Copy[]>();
  for (const [at, launch] of launches.entries()) {
    launch.operands.forEach((operand, i) => {
      const touch = { at, ...rangeOf(launch, i), written: isWritten(launch, i) };
      appendTo(touches, operand.buffer, touch);
    });
    const copy = copyOf(launch, at);
    if (copy) appendTo(copies, launch.operands[0]!.buffer, copy);
  }

  const places = new Map<TracedBuffer, Place>();
  const saved = new Set<number>();
  const placeOf = (buffer: TracedBuffer) => places.get(buffer)?.buffer ?? buffer;
  for (const [buffer, own] of copies) {
    const { target, shift } = own[0]!;
    const [first, last] = [own[0]!.at, own.at(-1)!.at];
    const uses = touches.get(buffer)!.filter(({ at }) => !own.some(copy => copy.at === at));
    const [begin, end] = [own[0]!.from, own.at(-1)!.to];
    const whole = own.every((copy, i) => copy.target === target && copy.shift === shift && copy.from === (own[i - 1]?.to ?? begin)); // prettier-ignore
    const inside = uses.every(({ at, from, to }) => at < first && from >= begin && to <= end);
    const free = touches
      .get(target)!
      .every(
        ({ at, from, to }) =>
          at < buffer.firstUse || at > last || from >= end + shift || to <= begin + shift || own.some(c => c.at === at),
      );
    const separate = uses.every(({ at, written }) =>
      launches[at]!.operands.every(
        (operand, i) =>
          operand.buffer === buffer || placeOf(operand.buffer) !== target || isWritten(launches[at]!, i) === written,
      ),
    );
    if (!whole || !inside || !free || !separate) continue;
    places.set(buffer, { buffer: target, shift });
    for (const { at } of own) saved.add(at);
    for (const { at, from, to, written } of uses)
      appendTo(touches, target, { at, from: from + shift, to: to + shift, written });
  }

  const moved = (operand: TracedOperand): TracedOperand => {
    const place = places.get(operand.buffer);
    return place ? { ...operand, buffer: place.buffer, byteOffset: operand.byteOffset + place.shift } : operand;
  };
  return launches.flatMap((launch, at) =>
    saved.has(at) ? [] : [{ ...launch, operands: launch.operands.map(operand => moved(operand)) }],
  );
}

function copyOf({ kernel, operands, params }: TracedLaunch, at: number): Copy | undefined {
  if (kernel !== strided) return undefined;
  const [x, y] = operands as [TracedOperand, TracedOperand];
  if (x.buffer.role !== 'temporary' || y.buffer.role !== 'outside' || x.dtype !== y.dtype) return undefined;
  const [d0, d1, d2, d3, , , , s3, offset] = params as unknown as Strided;
  if (d0 * d1 * d2 !== 1 || (d3 > 1 && s3 !== 1)) return undefined; // elements that do not lie one after another
  const bytes = bytesPerElement[x.dtype];
  const shift = y.byteOffset + offset * bytes - x.byteOffset;
  if (shift % operandAlignment !== 0) return undefined;
  return { at, from: x.byteOffset, to: x.byteOffset + d3 * bytes, target: y.buffer, shift };
}

/** Params of strided_write. */
type Strided = readonly [number, number, number, number, number, number, number, number, number];

/** The bytes that a launch may touch of an operand: all that it was given, except for what a copy leaves alone. */
function rangeOf({ kernel, operands, params }: TracedLaunch, i: number): { from: number; to: number } {
  const { dtype, byteOffset, length } = operands[i]!;
  const bytes = bytesPerElement[dtype];
  if (kernel !== strided || i === 0) return { from: byteOffset, to: byteOffset + length * bytes };
  const [d0, d1, d2, d3, s0, s1, s2, s3, offset] = params as unknown as Strided;
  const last = offset + (d0 - 1) * s0 + (d1 - 1) * s1 + (d2 - 1) * s2 + (d3 - 1) * s3;
  return { from: byteOffset + offset * bytes, to: byteOffset + (last + 1) * bytes };
}

function isWritten({ kernel }: TracedLaunch, i: number): boolean {
  return Object.values(kernel.buffers)[i]!.access !== 'read';
}

function appendTo<T>(lists: Map<TracedBuffer, T[]>, buffer: TracedBuffer, item: T): void {
  const list = lists.get(buffer);
  if (list) list.push(item);
  else lists.set(buffer, [item]);
}
