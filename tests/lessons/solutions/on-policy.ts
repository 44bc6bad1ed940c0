export function expectedMistakes(length: number, error: number, lost: number): number {
  let onPath = 1;
  let mistakes = 0;
  for (let step = 0; step < length; step++) {
    mistakes += onPath * error + (1 - onPath) * lost;
    onPath *= 1 - error;
  }
  return mistakes;
}
