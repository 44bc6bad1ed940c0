import { openDevice } from '../../core/index.js';
import { describeConstantRows } from './constant-rows.js';

describeConstantRows('layer norm of a constant row on cpu', () => openDevice('cpu'));
describeConstantRows('layer norm of a constant row on wasm', () => openDevice('wasm', { threads: 1 }));
