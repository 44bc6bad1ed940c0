import { openDevice } from '../../core/index.js';
import { cpu } from './devices.js';
import { describeLongSums } from './long-sums.js';

describeLongSums('long sums on cpu', () => Promise.resolve(cpu), 100_003);
describeLongSums('long sums on wasm', () => openDevice('wasm', { threads: 1 }));
