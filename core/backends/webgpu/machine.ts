/** From what an adapter says about itself to what kernel generators want to know: the machine, and the profile. */
import type { AdapterClass, MatrixConfig, WgslMachine, WgslProfile } from '../../../kernels/index.js';
import { trainingMatrices } from '../../../kernels/index.js';

type Info = Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'device' | 'description' | 'isFallbackAdapter'>;

/** True for adapters that are a processor in disguise. */
export function isSoftware(info: Info): boolean {
  return (
    info.isFallbackAdapter ||
    info.architecture === 'software' ||
    /llvmpipe|lavapipe|swiftshader|basic render/i.test(`${info.device} ${info.description}`)
  );
}

/** The row family of the tuning tables that an adapter belongs to. */
export function adapterClass(info: Info): AdapterClass {
  if (isSoftware(info)) return 'software';
  const name = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  if (/nvidia|geforce|quadro|tesla/.test(name))
    return /hopper|\bg?h100|\bg?h200|\bgh200|\bh20\b/.test(name) ? 'nvidia-hopper' : 'nvidia';
  if (/\bamd\b|radeon|\bati\b/.test(name)) return 'amd';
  if (name.includes('intel')) return 'intel';
  if (name.includes('apple')) return 'apple';
  return 'default';
}

/** The products of the adapter's matrix unit; none without the extension, which Dawn calls experimental. */
export function matrixConfigs(info: GPUAdapterInfo, features: ReadonlySet<string>): readonly MatrixConfig[] {
  if (!features.has('chromium-experimental-subgroup-matrix')) return [];
  return (info as { subgroupMatrixConfigs?: readonly MatrixConfig[] }).subgroupMatrixConfigs ?? [];
}

/** What a device offers. */
interface Offer {
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  /** Features of WGSL itself. */
  readonly language: ReadonlySet<string>;
}

/** WGSL can give work to a subgroup as a whole: by its number, and with built-ins in what depends on that. */
const subgroupLanguage = ['subgroup_id', 'subgroup_uniformity'] as const;

/** The facts that kernel generators read, for what a device offers. */
export function describeMachine(info: GPUAdapterInfo, { features, limits, language }: Offer): WgslMachine {
  const subgroups = features.has('subgroups') && subgroupLanguage.every(name => language.has(name));
  return {
    adapter: adapterClass(info),
    matrices: matrixConfigs(info, features),
    subgroupSize: subgroups ? { min: info.subgroupMinSize ?? 0, max: info.subgroupMaxSize ?? 0 } : { min: 0, max: 0 },
    workgroupMemory: limits.maxComputeWorkgroupStorageSize,
    workgroupLanes: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
  };
}

/** The fastest way of writing kernels that a machine can run: matrices count where they take f16 and sum in f32. */
export function chooseProfile(machine: WgslMachine): WgslProfile {
  if (machine.adapter === 'software') return 'software';
  return machine.subgroupSize.max > 0 && trainingMatrices(machine, 'f16').length > 0 ? 'sgmat' : 'alu';
}
