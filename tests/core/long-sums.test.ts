import { openDevice } from '../../core/index.js';
import { describeLongSums } from './long-sums.js';

describeLongSums('long sums on cpu', () => openDevice('cpu'), 100_003);
describeLongSums('long sums on wasm', () => openDevice('wasm', { threads: 1 }));
