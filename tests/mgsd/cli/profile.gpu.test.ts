import { openDevice } from '../../../core/index.js';
import { describeWithAdapter } from '../../core/backends/webgpu.js';
import { testProfile } from './profile.js';

describeWithAdapter('a profile on webgpu, by time stamps', () => {
  testProfile(() => openDevice('webgpu'), 'device');
});
