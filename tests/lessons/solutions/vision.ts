export function toPatches(image: Uint8Array, imageSize: number, patchSize: number): Float32Array {
  const values: number[] = [];
  for (let top = 0; top < imageSize; top += patchSize)
    for (let left = 0; left < imageSize; left += patchSize)
      for (let y = top; y < top + patchSize; y++)
        for (let x = left; x < left + patchSize; x++)
          for (let channel = 0; channel < 3; channel++)
            values.push(image[(y * imageSize + x) * 3 + channel]! / 127.5 - 1);
  return Float32Array.from(values);
}
