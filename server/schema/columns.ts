/** The entries of a comma-separated column. */
export function listOf(text: string): string[] {
  return text.split(',').flatMap((entry) => entry.trim() || []);
}
