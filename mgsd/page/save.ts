/** Has the browser save a file. */
export function saveFile(name: string, contents: BlobPart): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([contents]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
