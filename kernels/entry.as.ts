// The WebAssembly kernel library: what the build compiles, and the only file whose exports reach the host. Each kernel
// family keeps its code in its own folder (`<family>/<family>.as.ts`) and is exported again from here.
//
// Raw pointers only: no static arrays, strings or objects, and no globals that need initialising, because every worker
// thread instantiates the library over the same shared memory.

/** Sets n f32 elements at out (bytes, 4-aligned) to value. */
export function fill(out: usize, n: i32, value: f32): void {
  const wide = f32x4.splat(value);
  let i = 0;
  for (; i <= n - 4; i += 4) v128.store(out + ((<usize>i) << 2), wide);
  for (; i < n; i++) store<f32>(out + ((<usize>i) << 2), value);
}
