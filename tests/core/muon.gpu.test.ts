import { openGpu } from './devices.js';
import { describeMuon } from './muon.js';

describeMuon('Muon on webgpu', openGpu);
