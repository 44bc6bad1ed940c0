/** What this browser offers, a row each. */
import { table } from '../../pictures/html.js';
import { Markup } from '../markup.js';
import type { Offer } from './offers.js';

export function Offers({ offers }: { readonly offers: readonly Offer[] }) {
  const rows = offers.map(({ name, value, cost }) => [name, value, cost] as const);
  return <Markup of={table('What this browser offers', ['what', 'here', 'what a lack costs'], rows)} />;
}
