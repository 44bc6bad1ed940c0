/** Apart from the device, whose declarations need types of WebGPU: users of the library may have others, or none. */
import type { WgslProfile } from '../../../kernels/index.js';

/** How an adapter is chosen and opened. */
export interface WebGpuOptions {
  /** Part of the adapter's name, where a machine has several; MGSD_ADAPTER if not given. */
  readonly adapter?: string;
  /**
   * Dawn's toggles. `debug` keeps its bounds checks in shaders and clears workgroup memory, and validates the
   * generated code; `production` (default) does not.
   */
  readonly mode?: 'production' | 'debug';
  /** How kernels are written: chosen from the adapter if not given. Tests run `alu` kernels on software adapters. */
  readonly profile?: WgslProfile;
  /**
   * Finds out by experiment which toggles took effect, and lists it among the capabilities' features. Default false.
   */
  readonly probe?: boolean;
  /**
   * Dawn's backend, the platform's best if not given. `null` computes nothing: it checks shaders without an adapter.
   */
  readonly backend?: 'vulkan' | 'metal' | 'd3d12' | 'null';
}
