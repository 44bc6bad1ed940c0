import { describeConstantRows } from './constant-rows.js';
import { describeCorners } from './corners.js';
import { openGpu } from './devices.js';
import { describeRules } from './rules.js';
import { describeLongSums } from './long-sums.js';

describeConstantRows('layer norm of a constant row on webgpu', openGpu);
describeCorners('webgpu', openGpu);
describeRules('rules on webgpu', openGpu);
describeLongSums('long sums on webgpu', openGpu, 300_007);
