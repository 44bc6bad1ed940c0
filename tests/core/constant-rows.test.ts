import { openDevice } from '../../core/index.js';
import { cpu } from './devices.js';
import { describeConstantRows } from './constant-rows.js';

describeConstantRows('layer norm of a constant row on cpu', () => Promise.resolve(cpu));
describeConstantRows('layer norm of a constant row on wasm', () => openDevice('wasm', { threads: 1 }));
