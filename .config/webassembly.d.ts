// The part of the WebAssembly JavaScript API that this project uses (W3C, "WebAssembly JavaScript Interface").
// TypeScript only ships it inside the browser's library, which would also put `document` and `name` within reach of
// every file.
declare namespace WebAssembly {
  interface Module {
    readonly __module: never; // opaque
  }
  const Module: {
    new (bytes: Uint8Array | ArrayBuffer): Module;
    exports(module: Module): { name: string; kind: 'function' | 'table' | 'memory' | 'global' }[];
    imports(module: Module): { module: string; name: string; kind: 'function' | 'table' | 'memory' | 'global' }[];
  };

  interface Memory {
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    /** Adds pages of 64 KiB and returns the size before, in pages; throws a RangeError beyond the maximum. */
    grow(pages: number): number;
  }
  const Memory: new (descriptor: { initial: number; maximum?: number; shared?: boolean }) => Memory;

  type Imports = Record<string, Record<string, Memory | ((...args: never[]) => unknown)>>;

  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  const Instance: new (module: Module, imports?: Imports) => Instance;

  function validate(bytes: Uint8Array | ArrayBuffer): boolean;
  function compile(bytes: Uint8Array | ArrayBuffer): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
  function instantiate(
    bytes: Uint8Array | ArrayBuffer,
    imports?: Imports,
  ): Promise<{ module: Module; instance: Instance }>;

  const CompileError: ErrorConstructor;
  const LinkError: ErrorConstructor;
  const RuntimeError: ErrorConstructor;
}
