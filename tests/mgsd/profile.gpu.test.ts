import { openDevice } from '../../core/index.js';
import { describeWithAdapter } from '../core/webgpu.js';
import { testProfile } from './profile.js';

describeWithAdapter('a profile on webgpu, by time stamps', () => {
  testProfile(() => openDevice('webgpu'), 'device');
});
