/** Facts about an adapter that WGSL generators need; the webgpu backend gathers them once. */

/**
 * How kernels are written. `software`: tiny workgroups, no barriers, no workgroup memory, for adapters that run on a
 * processor. `alu`: workgroup memory and barriers, for any GPU. `sgmat`: like `alu`, with subgroup matrices ("tensor
 * cores") where types and shapes suit them. Kernels without matrix products treat `alu` and `sgmat` alike.
 */
export type WgslProfile = 'software' | 'alu' | 'sgmat';

/** The profiles, from the plainest. */
export const wgslProfiles: readonly WgslProfile[] = ['software', 'alu', 'sgmat'];

/** One operation of the adapter's matrix unit: result[M, N] += left[M, K] right[K, N]. */
export interface MatrixConfig {
  /** Type of left and right: `f16`, `f32`, `i8`, ... */
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Families of adapters, each with its own tuning; `default` is every other GPU. */
export type AdapterClass = 'nvidia-hopper' | 'nvidia' | 'amd' | 'intel' | 'apple' | 'default' | 'software';

/** What a WGSL generator knows about its adapter. */
export interface WgslMachine {
  readonly adapter: AdapterClass;
  /** Empty without subgroup matrices. */
  readonly matrices: readonly MatrixConfig[];
  /** Lanes of a subgroup: both 0 without subgroups; different where the driver chooses per shader. */
  readonly subgroupSize: { readonly min: number; readonly max: number };
  /** Bytes of workgroup memory that a pipeline may declare. */
  readonly workgroupMemory: number;
  /** Most lanes of a workgroup, in total and along x. */
  readonly workgroupLanes: number;
}

/** What every WebGPU adapter offers; assumed if a target names no machine. */
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
