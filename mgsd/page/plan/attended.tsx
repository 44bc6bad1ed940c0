/** The student's picture, with what it looks at while it writes a token laid over it. */
import { imageUrl } from '../../pictures/draw.js';
import { percent } from '../../report/tokens.js';

export interface AttendedProps {
  /** (side, side, 3) bytes. */
  readonly picture: Uint8Array;
  /** Attention on each patch, row by row; the rest lies on what it has read and written. */
  readonly patches: readonly number[];
  /** Of the token. */
  readonly name: string;
}

export function Attended({ picture, patches, name }: AttendedProps) {
  const pixels = Math.sqrt(picture.length / 3);
  const side = Math.sqrt(patches.length); // in patches
  const most = Math.max(...patches);
  const onPicture = patches.reduce((sum, share) => sum + share);
  return (
    <figure class="attended">
      <svg viewBox={`0 0 ${side} ${side}`} role="img" aria-label={`Where the student looks while it writes ${name}`}>
        <image href={imageUrl({ width: pixels, height: pixels, data: picture })} width={side} height={side} />
        {patches.map((share, patch) => (
          <rect
            key={patch}
            x={patch % side}
            y={Math.floor(patch / side)}
            width={1}
            height={1}
            fill="#d4006a"
            fill-opacity={((0.85 * share) / most).toFixed(2)}
          />
        ))}
      </svg>
      <figcaption>
        Where it looks while it writes {name}: <data value={String(onPicture)}>{percent(onPicture)}</data> of its
        attention, the mean of all heads, is on the picture, most on the reddest patch.
      </figcaption>
    </figure>
  );
}
