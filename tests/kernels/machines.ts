/** Adapters as they describe themselves, for checking what kernels are written for GPUs that are not at hand. */
import type { MatrixConfig, WgslMachine } from '../../kernels/index.js';

const products = (sizes: readonly (readonly [number, number, number])[], ...types: readonly string[]): MatrixConfig[] =>
  sizes.flatMap(([M, N, K]) =>
    types.map(type => {
      const [componentType, resultComponentType] = type.split('->') as [string, string];
      return { componentType, resultComponentType, M, N, K };
    }),
  );

export const machines = {
  hopper: {
    adapter: 'nvidia-hopper',
    matrices: [
      ...products(
        [
          [16, 16, 16],
          [16, 8, 16],
          [16, 8, 8],
        ],
        'f16->f16',
        'f16->f32',
      ),
      ...products([[16, 16, 32]], 'i8->i32', 'u8->u32'),
    ],
    subgroupSize: { min: 32, max: 32 },
    workgroupMemory: 49152,
    workgroupLanes: 1024,
  },
  /** An NVIDIA driver that lists only the narrow products. */
  narrow: {
    adapter: 'nvidia',
    matrices: products([[16, 8, 8]], 'f16->f32'),
    subgroupSize: { min: 32, max: 32 },
    workgroupMemory: 49152,
    workgroupLanes: 1024,
  },
  apple: {
    adapter: 'apple',
    matrices: products([[8, 8, 8]], 'f16->f16', 'f16->f32', 'f32->f32'),
    subgroupSize: { min: 32, max: 32 },
    workgroupMemory: 32768,
    workgroupLanes: 1024,
  },
  /** Subgroups of which the driver chooses the size. */
  intel: {
    adapter: 'intel',
    matrices: products([[8, 16, 16]], 'f16->f32'),
    subgroupSize: { min: 16, max: 32 },
    workgroupMemory: 65536,
    workgroupLanes: 1024,
  },
  amd: {
    adapter: 'amd',
    matrices: products([[16, 16, 16]], 'f16->f16', 'f16->f32'),
    subgroupSize: { min: 32, max: 64 },
    workgroupMemory: 65536,
    workgroupLanes: 1024,
  },
  /** What Dawn's null backend itself can make pipelines of. */
  least: {
    adapter: 'default',
    matrices: products([[16, 16, 16]], 'f16->f32'),
    subgroupSize: { min: 32, max: 32 },
    workgroupMemory: 16384,
    workgroupLanes: 256,
  },
} as const satisfies Readonly<Record<string, WgslMachine>>;
