import { describe } from 'vitest';
import { openDevice } from '../../../core/index.js';
import { testProfile } from './profile.js';

describe('a profile on wasm', () => {
  testProfile(() => openDevice('wasm', { threads: 1 }), 'host');
});

describe('a profile on cpu', () => {
  testProfile(() => openDevice('cpu'), 'host');
});
