/** From kernels to pipelines: compiles the WGSL of a kernel for the dtypes it is launched with, once. */
import { bytesPerElement } from '../../../kernels/index.js';
import type { DType, Kernel, WgslMachine, WgslPass, WgslProfile, WgslTarget } from '../../../kernels/index.js';
import { boundBuffers, isWritten, wgslModule } from '../../../kernels/wgsl.js';
import type { Operand } from '../../backend.js';

/** How often a pass of a kernel was launched. */
export interface Selection {
  readonly kernel: string;
  /** Which of the kernel's passes: the variant that its generator names, or the position. */
  readonly variant: string;
  readonly launches: number;
}

/** What kernels are written for, whatever their dtypes. */
export type KernelTarget = Required<Omit<WgslTarget, 'dtypes'>>;

export interface PassProgram {
  readonly variant: string;
  /** Counted by the backend. */
  launches: number;
  /** Positions of the operands that the pass touches; one beyond the last is the scratch buffer. */
  readonly bound: readonly number[];
  readonly layout: GPUBindGroupLayout;
  readonly layoutId: number;
  workgroups(params: Readonly<Record<string, number>>): readonly [number, number, number];
  /** Elements of f32 scratch. */
  scratch(params: Readonly<Record<string, number>>): number;
  /** Compiles at the first call; throws if an earlier call has found the shader not to be valid. */
  pipeline(): GPUComputePipeline;
  /** Compiles beside other work, so that `pipeline` need not. Rejects if the shader is not valid. */
  compile(): Promise<void>;
}

export interface Program {
  readonly kernel: Kernel;
  readonly passes: readonly PassProgram[];
  /** Names and types of the params, in order. */
  readonly params: readonly (readonly [string, 'u32' | 'f32'])[];
  /** Values of the params: every launch overwrites those of the one before. */
  readonly immediates: { readonly bytes: ArrayBuffer; readonly words: Uint32Array; readonly floats: Float32Array };
  /** Positions of operands that some pass writes, and that some pass reads. */
  readonly written: readonly number[];
  readonly onlyRead: readonly number[];
  /** True if some pass wants scratch. */
  readonly usesScratch: boolean;
  /** Bytes per element of every operand, and of scratch. */
  readonly elementBytes: readonly number[];
}

const dtypeCode: Readonly<Record<DType, number>> = { f32: 0, f16: 1, i32: 2, f64: 3 };

interface Layout {
  readonly id: number;
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

export class Programs {
  readonly #device: GPUDevice;
  readonly target: KernelTarget;
  readonly #track: (check: Promise<void>) => void;
  readonly #programs = new Map<Kernel, Map<number, Program>>();
  readonly #layouts = new Map<string, Layout>();

  /** `track` gets a promise per compiled shader, which rejects with the message of a shader that is not valid. */
  constructor(
    device: GPUDevice,
    { profile, machine }: { readonly profile: WgslProfile; readonly machine: WgslMachine },
    track: (check: Promise<void>) => void,
  ) {
    this.#device = device;
    this.target = { profile, machine };
    this.#track = track;
  }

  get(kernel: Kernel, operands: readonly Pick<Operand, 'dtype'>[]): Program {
    let code = 0;
    for (const { dtype } of operands) code = code * 4 + dtypeCode[dtype];
    let programs = this.#programs.get(kernel);
    if (!programs) this.#programs.set(kernel, (programs = new Map<number, Program>()));
    let program = programs.get(code);
    if (!program) programs.set(code, (program = this.#build(kernel, operands)));
    return program;
  }

  /** What was launched so far, by kernel and variant, in the order of first use. */
  selections(): Selection[] {
    const selections: Selection[] = [];
    for (const [kernel, programs] of this.#programs)
      for (const { passes } of programs.values())
        for (const { variant, launches } of passes)
          if (launches > 0) selections.push({ kernel: kernel.name, variant, launches });
    return selections;
  }

  #build(kernel: Kernel, operands: readonly Pick<Operand, 'dtype'>[]): Program {
    const names = Object.keys(kernel.buffers);
    if (operands.length !== names.length)
      throw new Error(
        `kernel ${kernel.name} takes ${names.length} buffers (${names.join(', ')}), got ${operands.length}`,
      );
    const target = { ...this.target, dtypes: Object.fromEntries(names.map((name, i) => [name, operands[i]!.dtype])) };
    const passes = kernel.wgsl(target);
    const bound = new Set(passes.flatMap(pass => boundBuffers(kernel, pass)));
    const operand = [...bound].filter(position => position < names.length);
    const immediates = new ArrayBuffer(4 * Object.keys(kernel.params).length);
    const written = (position: number) => kernel.buffers[names[position]!]!.access !== 'read';
    return {
      kernel,
      params: Object.entries(kernel.params),
      immediates: { bytes: immediates, words: new Uint32Array(immediates), floats: new Float32Array(immediates) },
      passes: passes.map((pass, i) => this.#buildPass(kernel, pass, target, pass.variant ?? String(i))),
      written: operand.filter(written),
      onlyRead: operand.filter(position => !written(position)),
      usesScratch: bound.has(names.length),
      elementBytes: [...operands.map(({ dtype }) => bytesPerElement[dtype]), bytesPerElement.f32],
    };
  }

  #buildPass(kernel: Kernel, pass: WgslPass, target: WgslTarget, variant: string): PassProgram {
    const bound = boundBuffers(kernel, pass);
    const most = this.#device.limits.maxStorageBuffersPerShaderStage;
    if (bound.length > most)
      throw new Error(
        `kernel ${kernel.name} (${variant}) binds ${bound.length} storage buffers, and this adapter allows ${most}: ` +
          'take the `wasm` backend here',
      );
    const layout = this.#layout(kernel, pass, bound);
    const label = `${kernel.name} (${variant})`;
    let pipeline: GPUComputePipeline | undefined;
    let failure: Error | undefined;
    let ahead: Promise<void> | undefined;
    const noteFailure = (error: unknown): never => {
      failure = error as Error;
      throw error;
    };
    const compile = () => {
      const { compiled, check } = this.#compile(label, layout.pipeline, wgslModule(kernel, pass, target));
      this.#track(check.catch(noteFailure));
      return compiled;
    };
    const compileAhead = async () => {
      pipeline ??= await this.#compileAhead(label, layout.pipeline, wgslModule(kernel, pass, target)).catch(
        noteFailure,
      );
    };
    return {
      variant,
      launches: 0,
      bound,
      layout: layout.group,
      layoutId: layout.id,
      workgroups: params => pass.workgroups(params),
      scratch: params => pass.scratch?.(params) ?? 0,
      pipeline() {
        if (failure) throw failure;
        return (pipeline ??= compile());
      },
      compile: () => (ahead ??= compileAhead()),
    };
  }

  /** Kernels with the same accesses share a layout, and so their bind groups. */
  #layout(kernel: Kernel, pass: WgslPass, bound: readonly number[]): Layout {
    const mode = (position: number) => (isWritten(kernel, pass, position) ? 'storage' : 'read-only-storage');
    const immediateSize = 4 * Object.keys(kernel.params).length;
    const key = `${immediateSize};${bound.map(position => `${position}${mode(position)}`).join()}`;
    const known = this.#layouts.get(key);
    if (known) return known;
    const group = this.#device.createBindGroupLayout({
      entries: bound.map(position => ({
        binding: position,
        visibility: 4, // GPUShaderStage.COMPUTE
        buffer: { type: mode(position) },
      })),
    });
    const layout = {
      id: this.#layouts.size,
      group,
      pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group], immediateSize }),
    };
    this.#layouts.set(key, layout);
    return layout;
  }

  #compile(
    label: string,
    layout: GPUPipelineLayout,
    code: string,
  ): { readonly compiled: GPUComputePipeline; readonly check: Promise<void> } {
    this.#device.pushErrorScope('validation');
    const module = this.#device.createShaderModule({ label, code });
    const pipeline = this.#device.createComputePipeline({ label, layout, compute: { module, entryPoint: 'main' } });
    const check = this.#device.popErrorScope().then(async error => {
      if (error) throw new Error(await explainShader(label, module, code, error.message));
    });
    return { compiled: pipeline, check };
  }

  /** The same on Dawn's own threads. */
  async #compileAhead(label: string, layout: GPUPipelineLayout, code: string): Promise<GPUComputePipeline> {
    this.#device.pushErrorScope('validation');
    const module = this.#device.createShaderModule({ label, code });
    const valid = this.#device.popErrorScope();
    const descriptor = { label, layout, compute: { module, entryPoint: 'main' } };
    try {
      return await this.#device.createComputePipelineAsync(descriptor);
    } catch (error) {
      const message = (await valid)?.message ?? (error as Error).message;
      throw new Error(await explainShader(label, module, code, message), { cause: error });
    }
  }
}

/** The message for a shader that does not compile: the kernel, what is wrong, and the numbered lines around it. */
async function explainShader(label: string, module: GPUShaderModule, code: string, message: string): Promise<string> {
  const { messages } = await module.getCompilationInfo();
  const lines = code.split('\n');
  const parts = messages
    .filter(({ type }) => type === 'error')
    .map(({ message: text, lineNum, linePos }) => {
      const from = Math.max(0, lineNum - 4);
      const context = lines
        .slice(from, lineNum + 3)
        .map((line, i) => `${from + i + 1 === lineNum ? '>' : ' '} ${String(from + i + 1).padStart(4)} | ${line}`);
      return `${text} (line ${lineNum}, column ${linePos})\n${context.join('\n')}`;
    });
  return `The WGSL of kernel ${label} does not compile: ${parts.length > 0 ? parts.join('\n') : message}`;
}
