/** Shows a name of the contract, which a line may break between its words. */

export function Name({ text }: { text: string }) {
  return text
    .split(/(?<=[./_])|(?<=[a-z0-9])(?=[A-Z])/)
    .flatMap((word, index) => (index === 0 ? [word] : [<wbr key={index} />, word]));
}
