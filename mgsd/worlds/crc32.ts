/**
 * CRC-32 (IEEE, as in zip and PNG), the hash behind the split and the held-out style: equal in Node and in a browser.
 */

/** The remainder of each byte, for the reversed polynomial: (256). */
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
  return crc;
});

/** The checksum of a text's UTF-8 bytes, 0 to 2^32 - 1. */
export function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) crc = (crc >>> 8) ^ REMAINDERS[(crc ^ byte) & 255]!;
  return (crc ^ 0xffffffff) >>> 0;
}
