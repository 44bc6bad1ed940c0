/** The teacher of the packaged student, in the page's worker: fetched when it is first asked. */
import type { Device } from '../../core/index.js';
import { Planner } from '../evaluation/planner.js';
import { fetched, loadedOnce } from './student.js';

const packaged = new URL('../pretrained/planner.safetensors', import.meta.url);

const teachers = new WeakMap<Device, Promise<Planner>>();

/** The teacher on a device, loaded once. @throws Error if it cannot be fetched */
export const teacherOn = (device: Device): Promise<Planner> => loadedOnce(teachers, device, load);

const load = async (device: Device) =>
  await Planner.load(await fetched(packaged, 'The teacher', 'All else works without it.'), { device });
