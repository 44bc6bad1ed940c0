/** MiniBehaviour as a stored sample: the grid, and what follows from it. */

import { boardCells, cellText, gridDistances } from '../grid.js';
import { quoted } from '../fields.js';
import { cellPair, type SampleFields, type SampleFormat } from '../stored-sample.js';
import { besidePrinter, besideTable, distanceToTable, tableCells, type MiniBehaviourInstance } from './rules.js';
import { gridRows, parseGrid } from './text.js';

/** Moves from the agent to a cell beside the printer, and on from there to one beside the table. */
function legs(instance: MiniBehaviourInstance) {
  const { size, agent, printer, table } = instance;
  const onTable = (cell: number) => distanceToTable(table, cell) === 0;
  const toPrinter = gridDistances(size, agent, cell => onTable(cell) || cell === printer);
  const pairs = besidePrinter(instance).flatMap(pick => {
    const first = toPrinter[pick]!;
    const toTable = gridDistances(size, pick, onTable);
    if (first < 0) return [];
    return besideTable(instance).flatMap(drop => (toTable[drop]! < 0 ? [] : [{ pick, drop, moves: first + toTable[drop]! }])); // prettier-ignore
  });
  const least = Math.min(...pairs.map(({ moves }) => moves));
  return { toPrinter, best: pairs.filter(({ moves }) => moves === least) };
}

/** Distances by cell, `row,col`; cells that cannot be reached are left out. */
function distanceJson(size: number, distances: Int8Array): string {
  const reached = boardCells(size).filter(cell => distances[cell]! >= 0);
  return JSON.stringify(Object.fromEntries(reached.map(cell => [cellPair(cell).join(), distances[cell]])));
}

export function sampleFormat(
  difficulty: (instance: MiniBehaviourInstance) => string,
): SampleFormat<MiniBehaviourInstance> {
  return {
    block: 'grid',
    fields(instance) {
      const { size, agent, printer, table } = instance;
      const { toPrinter, best } = legs(instance);
      const [startRow, startCol] = cellPair(agent);
      const [printerRow, printerCol] = cellPair(printer);
      const onTable = (cell: number) => distanceToTable(table, cell) === 0;
      return [
        ['grid_rows', size],
        ['grid_cols', size],
        ['outer_ring', false],
        ['difficulty_bucket', difficulty(instance)],
        ['start_row', startRow],
        ['start_col', startCol],
        ['start_dir', 0],
        ['printer_row', printerRow],
        ['printer_col', printerCol],
        ['table_pos', JSON.stringify(tableCells(table).map(cellPair))],
        ['printer_neighbors', JSON.stringify(besidePrinter(instance).map(cellPair))],
        ['table_neighbors', JSON.stringify(besideTable(instance).map(cellPair))],
        [
          'best_paths',
          JSON.stringify(best.map(({ pick, drop, moves }) => ({ pick: cellPair(pick), drop: cellPair(drop), moves }))),
        ],
        ['agent_distance_map', distanceJson(size, toPrinter)],
        ['printer_distance_map', distanceJson(size, gridDistances(size, printer, onTable))],
      ];
    },
    rows: gridRows,
    read(rows, fields) {
      if (rows.length === 0) throw new Error("the grid is missing: a line 'grid:' and its rows of A, P, T and .");
      if (/^(true|1)$/i.test(fields.text('outer_ring') ?? ''))
        throw new Error('outer_ring=true: leave the ring of walls out and give the inner grid');
      const instance = parseGrid(rows);
      for (const name of ['grid_rows', 'grid_cols']) {
        const side = fields.whole(name);
        if (side !== undefined && side !== instance.size)
          throw new Error(`${name}=${side} does not fit a grid of side ${instance.size}`);
      }
      fields.checkCell('start', instance.agent);
      fields.checkCell('printer', instance.printer);
      checkTable(instance, fields);
      checkList('printer_neighbors', besidePrinter(instance), fields);
      checkList('table_neighbors', besideTable(instance), fields);
      return instance;
    },
  };
}

/** table_pos may be the table's top left cell, or all six. */
function checkTable({ table }: MiniBehaviourInstance, fields: SampleFields): void {
  const value = fields.json('table_pos');
  if (value === undefined) return;
  const text = JSON.stringify(value);
  const cells = tableCells(table).map(cellPair);
  const sorted = Array.isArray(value) && Array.isArray(value[0]) ? sortedText(value) : text;
  if (![JSON.stringify(cells[0]), JSON.stringify([cells[0]]), sortedText(cells)].includes(sorted))
    throw new Error(`table_pos is ${quoted(text)}, but the grid has the table's top left at ${cellText(table)}`);
}

function checkList(name: string, cells: readonly number[], fields: SampleFields): void {
  const value = fields.json(name);
  if (value === undefined) return;
  if (!Array.isArray(value) || sortedText(value) !== sortedText(cells.map(cellPair)))
    throw new Error(`${name} is ${quoted(JSON.stringify(value))}, but the grid has ${cells.map(cellText).join(' ')}`);
}

const sortedText = (cells: readonly unknown[]): string =>
  cells
    .map(cell => JSON.stringify(cell))
    .sort()
    .join();
