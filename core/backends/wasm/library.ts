/** Chooses the WebAssembly kernel library. */
import { compileKernels, enableRelaxedSimd, runtime } from '../../platform.js';

/** `relaxed` has fused multiply-add (relaxed SIMD); `plain` runs everywhere. */
export type SimdLevel = 'relaxed' | 'plain';

// (module (func (result v128) (f32x4.relaxed_madd (i8x16.splat (i32.const 1)) ... ...)))
const relaxedProbe = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00,
  0x0a, 0x13, 0x01, 0x11, 0x00, 0x41, 0x01, 0xfd, 0x0f, 0x41, 0x01, 0xfd, 0x0f, 0x41, 0x01, 0xfd, 0x0f, 0xfd, 0x85,
  0x02, 0x0b,
]);

/** Whether this runtime has relaxed SIMD; Node 20 has it behind a flag that may be set while running. */
export function supportsRelaxedSimd(): boolean {
  if (WebAssembly.validate(relaxedProbe)) return true;
  enableRelaxedSimd();
  return WebAssembly.validate(relaxedProbe);
}

/** Compiles the library, at the level asked for or the best there is. */
export async function loadLibrary(simd?: SimdLevel): Promise<{ module: WebAssembly.Module; simd: SimdLevel }> {
  const relaxed = simd !== 'plain' && supportsRelaxedSimd();
  if (simd === 'relaxed' && !relaxed)
    throw new Error(
      `relaxed SIMD was asked for, but ${runtime} does not have it: leave the option out to use plain SIMD`,
    );
  const level = relaxed ? 'relaxed' : 'plain';
  return { module: await compileKernels(level), simd: level };
}
