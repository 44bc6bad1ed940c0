/** The one list of kernels: backends, conformance tests and benchmarks walk it. */
import type { Kernel } from './kernel.js';
import { attentionGradKernel, attentionKernel } from './attention/attention.js';
import { decodeAttendKernel, decodeDrawKernel, decodeLinearKernel } from './rollout/fused.js';
import { rolloutKernel } from './rollout/rollout.js';
import { accumulateKernel, binaryKernels, broadcastKernels, unaryKernels } from './elementwise/elementwise.js';
import {
  layerNormGradInputKernel,
  layerNormGradInputResidualKernel,
  layerNormGradParamsKernel,
  layerNormKernel,
} from './layer-norm/layer-norm.js';
import { crossEntropyKernel, crossEntropyTokensKernel } from './loss/cross-entropy.js';
import { forwardKlKernel, reverseKlKernel } from './loss/divergence.js';
import { divergenceStatsKernel } from './loss/statistics.js';
import { matmulKernels } from './matmul/matmul.js';
import { muonMomentumKernel, muonStepKernel, newtonSchulzKernel } from './optimizer/muon.js';
import { adamwCopyKernel, adamwKernel, optimizerPrepareKernel, sumSquaresKernel } from './optimizer/optimizer.js';
import { randomUniformKernel, sampleTokensKernel } from './random/random.js';
import { reduceKernels } from './reduce/reduce.js';
import { gatherRowsKernel, scatterAddRowsKernel, scatterRowsKernel } from './rows/rows.js';
import { logSoftmaxGradKernel, logSoftmaxKernel, softmaxGradKernel, softmaxKernel } from './softmax/softmax.js';
import { stridedReadKernel, stridedWriteKernel } from './strided/strided.js';

/** Kernels are read by name here, so their buffer and parameter names are widened. */
const widen = (kernel: object) => kernel as Kernel;

/** Every kernel, in the order of this room. */
export const kernels: readonly Kernel[] = [
  ...Object.values(unaryKernels),
  ...Object.values(binaryKernels),
  ...Object.values(broadcastKernels),
  accumulateKernel,
  stridedReadKernel,
  stridedWriteKernel,
  ...Object.values(reduceKernels),
  ...matmulKernels,
  softmaxKernel,
  logSoftmaxKernel,
  softmaxGradKernel,
  logSoftmaxGradKernel,
  layerNormKernel,
  layerNormGradInputKernel,
  layerNormGradInputResidualKernel,
  layerNormGradParamsKernel,
  attentionKernel,
  attentionGradKernel,
  gatherRowsKernel,
  scatterAddRowsKernel,
  scatterRowsKernel,
  crossEntropyKernel,
  crossEntropyTokensKernel,
  reverseKlKernel,
  forwardKlKernel,
  divergenceStatsKernel,
  sumSquaresKernel,
  optimizerPrepareKernel,
  adamwKernel,
  adamwCopyKernel,
  muonMomentumKernel,
  newtonSchulzKernel,
  muonStepKernel,
  randomUniformKernel,
  sampleTokensKernel,
  decodeLinearKernel,
  decodeAttendKernel,
  decodeDrawKernel,
  rolloutKernel,
].map(widen);
