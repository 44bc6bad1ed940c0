import { openDevice } from '../../core/index.js';
import { describeMuon } from './muon.js';

describeMuon('Muon on cpu', () => openDevice('cpu'));
describeMuon('Muon on wasm', () => openDevice('wasm', { threads: 1 }));
