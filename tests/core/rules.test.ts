import { openDevice } from '../../core/index.js';
import { describeRules } from './rules.js';

describeRules('cpu', () => openDevice('cpu'));
describeRules('wasm', () => openDevice('wasm', { threads: 1 }));
