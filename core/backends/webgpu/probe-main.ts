/** The child process of `probeWebGpu` in Node: prints what it found as one line of JSON. */
import { probeHere } from './probe.js';

// eslint-disable-next-line no-console -- its output is what it runs for
console.log(`\n${JSON.stringify(await probeHere())}`);
