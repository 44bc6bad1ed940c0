/**
 * Slots: where on a board a row of a sequence stands, beside its token and position. A slot names a cell and the side
 * of the board, since half-way down means row 2 on one board and row 4 on another.
 *
 *     slot             row and column of the cell                                             and coordinates
 *     64 side + cell   yes: the token describes a cell that it does not name                  if side > 0
 *     64 (8 + side)    no: the token is the cell, and has its row and column already          yes
 *       + cell
 *
 * `side` is 1..8, or 0 where it is not known or the model has no coordinates; `cell` is 8 * row + col. Each axis has a
 * table of places, `axisTable` in vlm.ts: place 8 (slot div 64) + row for the rows, likewise for the columns, and
 * behind those the rows (columns) of image patches.
 */
import { hostMath } from '../core/index.js';
import { patchesPerSide } from './config.js';
import type { ModelConfig } from './config.js';
import { GRID_SIDE, MAXIMUM_SIZE, sizeOf } from './vocabulary.js';

const cells = GRID_SIDE * GRID_SIDE;
/** Sides of boards that are told apart, 0 included. */
const sides = MAXIMUM_SIZE + 1;
/** The place of the first row or column of image patches. */
export const firstPatchPlace = GRID_SIDE * (sides + MAXIMUM_SIZE);

/** Slots of cells that tokens describe, which decoding needs a vector for. */
export const slotCount = ({ coordinates }: ModelConfig) => cells * (coordinates > 0 ? sides : 1);

/** The slot of a token that describes a cell (-1: none) of a board of this side, 0 for unknown. */
export const slotOf = (cell: number, side: number) => (cell < 0 ? -1 : cells * side + cell);

/** The slot of a token that is a cell (-1: it is not) of a board of this side; none if that is unknown. */
export const ownSlot = (cell: number, side: number) => (side > 0 ? slotOf(cell, MAXIMUM_SIZE + side) : -1);

/** The place of a slot's row, -1 for none. */
export const rowOfSlot = (slot: number) =>
  slot < 0 ? -1 : GRID_SIDE * Math.floor(slot / cells) + Math.floor((slot % cells) / GRID_SIDE);

/** The place of a slot's column, -1 for none. */
export const colOfSlot = (slot: number) => (slot < 0 ? -1 : GRID_SIDE * Math.floor(slot / cells) + (slot % GRID_SIDE));

/** The side that a size token states, for a model with coordinates; else 0. */
export const sideFor = ({ coordinates }: ModelConfig, token: number) =>
  coordinates > 0 ? Math.max(0, sizeOf(token)) : 0;

/** Row (or column) 0..7 of the grid whose vector each place has, -1 for none: (places). */
export function gridRows(config: ModelConfig): Int32Array {
  const places = firstPatchPlace + patchesPerSide(config);
  return Int32Array.from({ length: places }, (_, place) => (place < GRID_SIDE * sides ? place % GRID_SIDE : -1));
}

/**
 * Fourier features of each place on its board (or image), F = `coordinates` frequencies: cos(j pi u), j = 1..F, then
 * sin(j pi u), where u = (row + 0.5) / side goes from 0 to 1 across the board; zeros for an unknown side. (places, 2F)
 */
export function coordinateFeatures(config: ModelConfig): Float64Array {
  const { coordinates: F } = config;
  const patches = patchesPerSide(config);
  const places = firstPatchPlace + patches;
  const features = new Float64Array(places * 2 * F);
  for (let place = GRID_SIDE; place < places; place++) {
    const isPatch = place >= firstPatchPlace;
    const side = isPatch ? patches : ((Math.floor(place / GRID_SIDE) - 1) % MAXIMUM_SIZE) + 1;
    const row = isPatch ? place - firstPatchPlace : place % GRID_SIDE;
    const angle = (Math.PI * (row + 0.5)) / side;
    for (let j = 1; j <= F; j++) {
      features[place * 2 * F + j - 1] = hostMath.cos(j * angle);
      features[place * 2 * F + F + j - 1] = hostMath.sin(j * angle);
    }
  }
  return features;
}
