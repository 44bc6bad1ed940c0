/** What WGSL generators know about the adapter they write for: plain facts, gathered once by the webgpu backend. */

/**
 * How kernels are written. `software`: tiny workgroups, no barriers, no workgroup memory, for adapters that are a
 * processor. `alu`: workgroup memory and barriers, for any GPU. `sgmat`: like `alu`, with subgroup matrices ("tensor
 * cores") where an operand's type and shape suit them. Kernels that have no use for matrices treat `alu` and `sgmat`
 * alike.
 */
export type WgslProfile = 'software' | 'alu' | 'sgmat';

/** The profiles, from the plainest. */
export const wgslProfiles: readonly WgslProfile[] = ['software', 'alu', 'sgmat'];

/** A product that the adapter's matrix unit does in one go: result[M, N] += left[M, K] right[K, N]. */
export interface MatrixConfig {
  /** Type of left and right: `f16`, `f32`, `i8`, ... */
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Families of adapters with a tuning of their own; `default` is every other GPU. */
export type AdapterClass = 'nvidia-hopper' | 'nvidia' | 'amd' | 'intel' | 'apple' | 'default' | 'software';

/** What a WGSL generator knows of the adapter that it writes for. */
export interface WgslMachine {
  readonly adapter: AdapterClass;
  /** Empty without subgroup matrices. */
  readonly matrices: readonly MatrixConfig[];
  /** Lanes of a subgroup: both 0 without subgroups; different where the driver chooses per shader. */
  readonly subgroupSize: { readonly min: number; readonly max: number };
  /** Bytes of workgroup memory that a pipeline may declare. */
  readonly workgroupMemory: number;
  /** Lanes of a workgroup, in all and along x. */
  readonly workgroupLanes: number;
}

/** What every WebGPU adapter offers: assumed where a target names no machine. */
export const leastMachine: WgslMachine = {
  adapter: 'default',
  matrices: [],
  subgroupSize: { min: 0, max: 0 },
  workgroupMemory: 16384,
  workgroupLanes: 256,
};

/** The products that training uses: equal floating-point operands, summed in f32. */
export function trainingMatrices({ matrices }: WgslMachine, component: string): readonly MatrixConfig[] {
  return matrices.filter(config => config.componentType === component && config.resultComponentType === 'f32');
}
