/**
 * The model computed a second time, from models/README.md alone: its own reader of the file, plain loops, f64, nothing
 * imported from the project. What agrees with this can be computed by any program.
 */

/** One sequence: token ids, and the bytes of its image (size x size x 3) if the prompt has IMG tokens. */
export interface IndependentSequence {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
  readonly image?: Uint8Array;
  /** The cell that a token describes by its place, -1 for none. */
  readonly promptSlots?: ArrayLike<number>;
  readonly responseSlots?: ArrayLike<number>;
}

type Matrix = number[][];

const IMG = 4;
const EPS = 1e-5;

class File {
  readonly config: Record<string, number>;
  readonly #bytes: Uint8Array;
  readonly #header: Record<string, { shape: number[]; data_offsets: [number, number] }>;
  readonly #start: number;

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = Number(view.getBigUint64(0, true));
    const { __metadata__: metadata, ...tensors } = JSON.parse(
      new TextDecoder().decode(bytes.subarray(8, 8 + length)),
    ) as Record<string, never>;
    const { format, version, config } = metadata as unknown as Record<string, string>;
    if (format !== 'mgsd-lite' || !['1', '2', '3'].includes(version!))
      throw new Error('not a checkpoint that models/README.md describes');
    this.config = JSON.parse(config!) as Record<string, number>;
    this.#header = tensors;
    this.#bytes = bytes;
    this.#start = 8 + length;
  }

  /** A tensor as rows; a vector is one row. The shape must be the one that the specification gives. */
  matrix(name: string, rows: number, cols: number): Matrix {
    const entry = this.#header[name];
    if (!entry) throw new Error(`no tensor ${name}`);
    const { shape, data_offsets } = entry;
    const expected = shape.length === 1 ? [cols] : [rows, cols];
    if (shape.join() !== expected.join()) throw new Error(`${name} is [${shape.join()}], not [${expected.join()}]`);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#start + data_offsets[0]);
    return Array.from({ length: rows }, (_, r) =>
      Array.from({ length: cols }, (__, c) => view.getFloat32(4 * (r * cols + c), true)),
    );
  }

  vector(name: string, length: number): number[] {
    return this.matrix(name, 1, length)[0]!;
  }
}

const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]!);
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);

function linear(file: File, name: string, x: Matrix, out: number): Matrix {
  const width = x[0]!.length;
  const weight = file.matrix(`${name}.weight`, width, out);
  const bias = file.vector(`${name}.bias`, out);
  return x.map(row => bias.map((b, j) => b + row.reduce((total, value, i) => total + value * weight[i]![j]!, 0)));
}

function norm(file: File, name: string, x: Matrix): Matrix {
  const width = x[0]!.length;
  const gain = file.vector(`${name}.gain`, width);
  const bias = file.vector(`${name}.bias`, width);
  return x.map(row => {
    const mean = row.reduce((a, b) => a + b, 0) / width;
    const variance = row.reduce((total, value) => total + (value - mean) ** 2, 0) / width;
    return row.map((value, i) => ((value - mean) / Math.sqrt(variance + EPS)) * gain[i]! + bias[i]!);
  });
}

function attend(qkv: Matrix, heads: number, sees: (i: number, j: number) => boolean): Matrix {
  const width = qkv[0]!.length / 3;
  const channels = width / heads;
  return qkv.map((row, i) => {
    const out: number[] = [];
    for (let h = 0; h < heads; h++) {
      const part = (from: readonly number[], which: number) =>
        from.slice(which * width + h * channels, which * width + (h + 1) * channels);
      const scores = qkv.map((other, j) =>
        sees(i, j) ? dot(part(row, 0), part(other, 1)) / Math.sqrt(channels) : -Infinity,
      );
      const highest = Math.max(...scores);
      const weights = scores.map(score => Math.exp(score - highest));
      const total = weights.reduce((a, b) => a + b, 0);
      for (let d = 0; d < channels; d++)
        out.push(qkv.reduce((sum, other, j) => sum + (weights[j]! / total) * part(other, 2)[d]!, 0));
    }
    return out;
  });
}

function block(file: File, name: string, x: Matrix, heads: number, sees: (i: number, j: number) => boolean): Matrix {
  const width = x[0]!.length;
  const qkv = linear(file, `${name}.attention.qkv`, norm(file, `${name}.attention.norm`, x), 3 * width);
  const attended = linear(file, `${name}.attention.out`, attend(qkv, heads, sees), width);
  const y = x.map((row, i) => plus(row, attended[i]!));
  const hidden = linear(file, `${name}.mlp.in`, norm(file, `${name}.mlp.norm`, y), 4 * width);
  const positive = hidden.map(row => row.map(value => Math.max(0, value)));
  const result = linear(file, `${name}.mlp.out`, positive, width);
  return y.map((row, i) => plus(row, result[i]!));
}

function imageFeatures(file: File, image: Uint8Array): Matrix {
  const { imageSize, patchSize, visionWidth, visionLayers, visionHeads, width } = file.config as Record<
    'imageSize' | 'patchSize' | 'visionWidth' | 'visionLayers' | 'visionHeads' | 'width',
    number
  >;
  const side = imageSize / patchSize;
  const patches: Matrix = [];
  for (let row = 0; row < side; row++)
    for (let col = 0; col < side; col++) {
      const patch: number[] = [];
      for (let y = 0; y < patchSize; y++)
        for (let x = 0; x < patchSize; x++)
          for (let channel = 0; channel < 3; channel++) {
            const pixel = (row * patchSize + y) * imageSize + col * patchSize + x;
            patch.push(image[pixel * 3 + channel]! / 127.5 - 1);
          }
      patches.push(patch);
    }
  const position = file.matrix('vision.position', side * side, visionWidth);
  let x = linear(file, 'vision.patch', patches, visionWidth).map((row, p) => plus(row, position[p]!));
  for (let layer = 0; layer < visionLayers; layer++)
    x = block(file, `vision.block.${layer}`, x, visionHeads, () => true);
  return linear(file, 'vision.projector', norm(file, 'vision.norm', x), width);
}

/** A vector per token: its own, plus those of its row and column for cells. */
function tokenTable(file: File, name: string): Matrix {
  const { vocabulary, width } = file.config as Record<'vocabulary' | 'width', number>;
  const rows = file.matrix(`${name}.row`, 8, width);
  const cols = file.matrix(`${name}.col`, 8, width);
  return file.matrix(name, vocabulary, width).map((own, id) => {
    if (id < 64) return own;
    return plus(own, plus(rows[Math.floor((id - 64) / 8)]!, cols[(id - 64) % 8]!));
  });
}

/** What coordinates add at (row, col) of a board with `side` rows; nothing where that is 0, or a model has none. */
function coordinateVector(file: File, side: number, row: number, col: number): number[] {
  const { width, coordinates = 0 } = file.config as { width: number; coordinates?: number };
  let sum = new Array<number>(width).fill(0);
  if (side === 0 || coordinates === 0) return sum;
  for (const [axis, at] of Object.entries({ row, col })) {
    const u = (at + 0.5) / side;
    const weight = file.matrix(`decoder.coordinate.${axis}`, 2 * coordinates, width);
    for (let j = 1; j <= coordinates; j++) {
      const [cos, sin] = [Math.cos(j * Math.PI * u), Math.sin(j * Math.PI * u)];
      sum = plus(
        sum,
        plus(
          weight[j - 1]!.map(w => cos * w),
          weight[coordinates + j - 1]!.map(w => sin * w),
        ),
      );
    }
  }
  return sum;
}

/** Side of the board that a token states, 0 for none. */
const sideOf = (token = 0) => (token >= 21 && token <= 27 ? token - 19 : 0);

/** Logits after every response token of every sequence, from the bytes of a checkpoint: one row of V per token. */
export function independentLogits(checkpoint: Uint8Array, sequences: readonly IndependentSequence[]): number[][] {
  const file = new File(checkpoint);
  const { vocabulary, width, layers, heads, promptPositions, responsePositions } = file.config as Record<
    'vocabulary' | 'width' | 'layers' | 'heads' | 'promptPositions' | 'responsePositions',
    number
  >;
  const embedding = tokenTable(file, 'decoder.embedding');
  const head = tokenTable(file, 'decoder.head');
  const headBias = file.vector('decoder.head.bias', vocabulary);
  const promptPosition = file.matrix('decoder.position.prompt', promptPositions, width);
  const responsePosition = file.matrix('decoder.position.response', responsePositions, width);

  const slotRow = file.matrix('decoder.embedding.row', 8, width);
  const slotCol = file.matrix('decoder.embedding.col', 8, width);
  const at = (cell: number): [number, number] => [Math.floor(cell / 8), cell % 8];
  const described = (vector: number[], cell: number, side: number): number[] => {
    const [row, col] = at(cell);
    return plus(plus(vector, plus(slotRow[row]!, slotCol[col]!)), coordinateVector(file, side, row, col));
  };

  return sequences.flatMap(({ prompt, response, image, promptSlots = [], responseSlots = [] }) => {
    const features = image ? imageFeatures(file, image) : [];
    const perSide = Math.sqrt(features.length);
    const promptSide = sideOf(prompt.find(token => sideOf(token) > 0));
    const responseSide = sideOf(response[1]);
    let patch = 0;
    const promptRows = prompt.map((token, i) => {
      const row = plus(embedding[token]!, promptPosition[i]!);
      const slot = promptSlots[i] ?? -1;
      if (token === IMG) {
        const place = [Math.floor(patch / perSide), patch % perSide] as const;
        return plus(plus(row, features[patch++]!), coordinateVector(file, perSide, ...place));
      }
      if (slot >= 0) return described(row, slot, promptSide);
      return token >= 64 ? plus(row, coordinateVector(file, promptSide, ...at(token - 64))) : row;
    });
    const responseRows = response.map((token, i) => {
      const row = plus(embedding[token]!, responsePosition[i]!);
      const slot = responseSlots[i] ?? -1;
      return slot >= 0 ? described(row, slot, responseSide) : row;
    });
    let x = [...promptRows, ...responseRows];
    for (let layer = 0; layer < layers; layer++)
      x = block(file, `decoder.block.${layer}`, x, heads, (i, j) => j < prompt.length || j <= i);
    return norm(file, 'decoder.norm', x)
      .slice(prompt.length)
      .map(row => head.map((vector, id) => dot(row, vector) + headBias[id]!));
  });
}
