/**
 * Subgroup matrices for adapters that have none: the words of the extension in a kernel's WGSL are replaced by
 * functions in which one lane holds a whole matrix and is a subgroup of its own. Slow, but every index of staging,
 * matrix loads, strips and partial sums is the one that the kernel computes, so wrong ones give wrong products.
 */
import type { Kernel, MatrixConfig, WgslMachine, WgslPass } from '../../kernels/index.js';

/**
 * A machine of which the emulation runs the kernels; `idle`: half of the subgroups are more than a kernel reckons with.
 */
export function emulatedMachine(config: Pick<MatrixConfig, 'M' | 'N' | 'K'>, idle: boolean): WgslMachine {
  return {
    adapter: 'default',
    matrices: [{ componentType: 'f16', resultComponentType: 'f32', ...config }],
    subgroupSize: idle ? { min: 1, max: 2 } : { min: 1, max: 1 },
    workgroupMemory: 32768,
    workgroupLanes: 256,
  };
}

/** The kernel as written for `machine`, with its matrices emulated. */
export function emulated(kernel: Kernel, machine: WgslMachine): Kernel {
  return {
    ...kernel,
    wgsl: ({ dtypes }) =>
      kernel
        .wgsl({ dtypes, profile: 'sgmat', machine })
        .map(pass => (pass.enables ? emulatePass(pass, machine.matrices[0]!, boundBy(sizeOf(kernel))) : pass)),
  };
}

/**
 * WGSL: a bound that compilers do not know, so that they leave the loop a loop: unrolled, it takes minutes to compile.
 */
const boundBy = (param: string) => (count: number) => `${count}u + (params.${param} >> 30u)`;

/** A size among the kernel's params. */
const sizeOf = ({ params }: Kernel) => Object.keys(params).find(name => params[name] === 'u32')!;

function emulatePass(pass: WgslPass, { M, N, K }: MatrixConfig, bound: ReturnType<typeof boundBy>): WgslPass {
  const inWords = (name: string) => pass.body.includes(`var<workgroup> ${name}: array<vec4u, `);
  const helpers = new Map<string, string>();
  const shapes = { left: [M, K], right: [K, N] } as const;
  const body = pass.body
    .replace(/subgroup_matrix_result<f32, (\d+), (\d+)>\(\)/g, (_, n, m) => {
      if (Number(n) !== N || Number(m) !== M) throw new Error(`result of ${m} x ${n}, columns should come first`);
      return 'Result()';
    })
    .replace(
      /let (\w+) = subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, (\d+), (\d+)>, (row|col)_major>\(&(\w+), /g,
      (_, matrix: string, side: 'left' | 'right', columns, rows, order: 'row' | 'col', pointer: string) => {
        const [r, c] = shapes[side];
        if (Number(rows) !== r || Number(columns) !== c) throw new Error(`${side} of ${rows} x ${columns}`);
        const type = side === 'left' ? 'Left' : 'Right';
        const name = `load_${side}_${order}_${pointer}`;
        // offset and stride count elements of the array: eight halves each where that is vec4u
        const unit = inWords(pointer) ? 8 : 1;
        const at = order === 'row' ? 'r * stride * unit + c' : 'c * stride * unit + r';
        const value =
          unit === 8 ? `unpack2x16float(${pointer}[at / 8u][at % 8u / 2u])[at % 2u]` : `f32(${pointer}[at])`;
        helpers.set(
          name,
          `fn ${name}(m: ptr<function, ${type}>, offset: u32, stride: u32) {
  let unit = ${unit}u;
  for (var r = 0u; r < ${bound(r)}; r++) { for (var c = 0u; c < ${bound(c)}; c++) {
    let at = offset * unit + ${at}; (*m).v[r * ${c}u + c] = ${value};
  } }
}`,
        );
        return `var ${matrix}: ${type}; ${name}(&${matrix}, `;
      },
    )
    .replace(
      /subgroupMatrixStore<row_major>\(&(\w+), ([^,]+), (\w+), ([^,]+)\);/g,
      (_, pointer: string, offset, matrix, stride) => {
        const name = `store_${pointer}`;
        const unit = pointer === 'stage' ? 4 : 1;
        const target = pointer === 'stage' ? 'stage[at / 4u][at % 4u] = bitcast<u32>(value)' : `${pointer}[at] = value`;
        helpers.set(
          name,
          `fn ${name}(offset: u32, m: ptr<function, Result>, stride: u32) {
  for (var r = 0u; r < ${bound(M)}; r++) { for (var c = 0u; c < ${bound(N)}; c++) {
    let at = (offset + r * stride) * ${unit}u + c; let value = (*m).v[r * ${N}u + c]; ${target};
  } }
}`,
        );
        return `${name}(${offset}, &${matrix}, ${stride});`;
      },
    )
    .replace(/(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), (\w+)\)/g, (_, to, left, right, sum) => {
      if (to !== sum) throw new Error(`sums of ${sum} go to ${to}`);
      return `multiply_accumulate(&${left}, &${right}, &${sum})`;
    })
    .replace(', @builtin(subgroup_id) warp: u32) {', ') {\n  let warp = lane;');
  if (/subgroup/i.test(body)) throw new Error(`words of the extension that nobody emulates:\n${body}`);
  return {
    ...pass,
    enables: [],
    body: `struct Left { v: array<f32, ${M * K}> }
struct Right { v: array<f32, ${K * N}> }
struct Result { v: array<f32, ${M * N}> }
fn multiply_accumulate(left: ptr<function, Left>, right: ptr<function, Right>, sum: ptr<function, Result>) {
  for (var r = 0u; r < ${bound(M)}; r++) { for (var j = 0u; j < ${bound(N)}; j++) { for (var l = 0u; l < ${bound(K)}; l++) {
    (*sum).v[r * ${N}u + j] += (*left).v[r * ${K}u + l] * (*right).v[l * ${N}u + j];
  } } }
}
${[...helpers.values()].join('\n')}
${body}`,
  };
}
