/** Shows a comment of the contract. */

/**
 * Shows each paragraph, or nothing if the contract does not have the comment. Lines are joined, except those of lists,
 * because comments are wrapped for an editor.
 */
export function Comment({ text }: { text: string | undefined }) {
  const paragraphs = (text ?? "")
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replaceAll(/ *\n(?! *(?:[-*]|\d+[.)]) ) */g, " "))
    .filter(Boolean);
  if (paragraphs.length === 0) return null;
  return (
    <div class="comment">
      {paragraphs.map((paragraph, index) => (
        <p key={index}>{paragraph}</p>
      ))}
    </div>
  );
}
