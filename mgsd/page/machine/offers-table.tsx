/** What this browser offers, a row each, and below what is missing what that costs. */
import { html, table } from '../../pictures/html.js';
import { Markup } from '../markup.js';
import type { Offer } from './offers.js';

export function Offers({ offers }: { readonly offers: readonly Offer[] }) {
  const rows = offers.map(
    ({ name, value, cost }) => [name, cost ? html`${value}<br /><small>${cost}</small>` : value] as const,
  );
  return <Markup of={table('What this browser offers', ['what', 'here'], rows)} />;
}
