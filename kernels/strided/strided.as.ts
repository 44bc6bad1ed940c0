// Copies between a contiguous buffer and a strided view of another one.
import { copyRow } from '../wasm/row.as';
import { at } from '../wasm/simd.as';

/** Rows (of d3 elements) per unit of work: must agree with strided.ts. */
const rowsPerUnit = 16;

@unmanaged
class StridedArgs {
  x: usize;
  y: usize;
  d0: i32;
  d1: i32;
  d2: i32;
  d3: i32;
  s0: i32;
  s1: i32;
  s2: i32;
  s3: i32;
  offset: i32;
}

@inline
function stridedLoop(reading: bool, args: StridedArgs, begin: i32, end: i32): void {
  const d1 = args.d1;
  const d2 = args.d2;
  const d3 = args.d3;
  const s3 = args.s3;
  const step = (<usize>s3) << 2;
  const stop = min(args.d0 * d1 * d2, end * rowsPerUnit);
  const start = begin * rowsPerUnit;
  let i2 = start % d2;
  let i1 = (start / d2) % d1;
  let i0 = start / (d2 * d1);
  for (let row = start; row < stop; row++) {
    let contiguous = at(reading ? args.y : args.x, row * d3);
    let strided = at(reading ? args.x : args.y, args.offset + i0 * args.s0 + i1 * args.s1 + i2 * args.s2);
    if (s3 == 1) {
      copyRow(reading ? contiguous : strided, reading ? strided : contiguous, d3);
    } else {
      for (let i: i32 = 0; i < d3; i++, contiguous += 4, strided += step) {
        if (reading) store<u32>(contiguous, load<u32>(strided));
        else store<u32>(strided, load<u32>(contiguous));
      }
    }
    if (++i2 == d2) {
      i2 = 0;
      if (++i1 == d1) {
        i1 = 0;
        i0++;
      }
    }
  }
}

/** y[i] = x[offset + i . strides] */
export function strided_read(args: StridedArgs, begin: i32, end: i32, scratch: usize): void {
  stridedLoop(true, args, begin, end);
}

/** y[offset + i . strides] = x[i] */
export function strided_write(args: StridedArgs, begin: i32, end: i32, scratch: usize): void {
  stridedLoop(false, args, begin, end);
}
