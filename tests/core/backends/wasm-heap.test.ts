import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Heap } from '../../../core/backends/wasm/heap.js';

const start = 4096;
/** A heap that may grow to `limit` bytes in steps of 64 KiB. */
function growingHeap(limit: number) {
  let end = start + 65_536;
  return new Heap(start, end, bytes => {
    if (end + bytes > limit) throw new Error('out of memory');
    end += Math.ceil(bytes / 65_536) * 65_536;
    return end;
  });
}

describe('the heap of the wasm backend', () => {
  const step = fc.oneof(
    fc.record({ allocate: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 300_000 })) }),
    fc.record({ freeAt: fc.nat() }),
  );

  it('never hands out memory twice, and gets all of it back', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const heap = growingHeap(2 ** 30);
        const live: { address: number; bytes: number }[] = [];
        for (const action of steps) {
          if ('allocate' in action) {
            const address = heap.allocate(action.allocate);
            const bytes = heap.sizeOf(address);
            expect(bytes).toBeGreaterThanOrEqual(action.allocate);
            expect(address % 64).toBe(0);
            expect(address).toBeGreaterThanOrEqual(start);
            for (const other of live)
              expect(address + bytes <= other.address || other.address + other.bytes <= address).toBe(true);
            live.push({ address, bytes });
          } else if (live.length > 0) {
            const [gone] = live.splice(action.freeAt % live.length, 1);
            heap.free(gone!.address);
          }
          expect(heap.usedBytes).toBe(live.reduce((sum, { bytes }) => sum + bytes, 0));
          expect(heap.usedBytes).toBeLessThanOrEqual(heap.totalBytes);
        }
        for (const { address } of live) heap.free(address);
        expect(heap.usedBytes).toBe(0);
        // one piece again: an allocation of nearly everything does not make the heap grow
        const total = heap.totalBytes;
        heap.allocate(Math.floor(total * 0.9));
        expect(heap.totalBytes).toBe(total);
      }),
    );
  });

  it('joins neighbours, so that changing sizes do not make it grow', () => {
    const heap = growingHeap(2 ** 30);
    let most = 0;
    for (let round = 0; round < 200; round++) {
      const rows = 1500 + ((round * 977) % 2000);
      const addresses = Array.from({ length: 40 }, (_, i) => heap.allocate(rows * 64 * (1 + (i % 4)) * 4));
      addresses.forEach(address => heap.free(address));
      if (round === 20) most = heap.totalBytes;
    }
    expect(heap.totalBytes).toBeLessThanOrEqual(most * 1.1);
    expect(heap.usedBytes).toBe(0);
  });

  it('passes the error on when there is no more, and stays usable', () => {
    const heap = growingHeap(1_000_000);
    const address = heap.allocate(500_000);
    expect(() => heap.allocate(600_000)).toThrow('out of memory');
    heap.free(address);
    expect(heap.allocate(600_000)).toBeGreaterThan(0);
  });

  it('refuses an address it did not hand out', () => {
    const heap = growingHeap(1_000_000);
    const address = heap.allocate(100);
    heap.free(address);
    expect(() => heap.free(address)).toThrow(/freed already/);
  });
});
